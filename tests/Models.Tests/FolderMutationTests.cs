using System.Text.Json.Nodes;
using Serving.Models.Bert;
using Serving.Tensors.Cpu;

namespace Serving.Models.Tests;

/// <summary>
/// Whatever is changed in the JSON of a good folder: the answer stays the same, or changes with the backbone's digest,
/// or the folder is refused with the field's name. Fields that may change without a change of the answer are listed.
/// </summary>
public sealed class FolderMutationTests : IDisposable
{
    private static readonly string[] Texts =
        ["Ab ÄÖ b##w it's a day", "a東b", "aaaaaaaaaaaaaa aaaaaaaaa b", "a [SEP] ~ axb"];

    /// <summary>That change nothing that is computed here, by the end of their paths.</summary>
    private static readonly string[] Harmless =
    [
        "architectures", "architectures[0]", "hidden_dropout_prob", "torch_dtype", "transformers_version", "use_cache",
        "pad_token_id", "id2label", "id2label.0", "model_max_length", "padding_side", "clean_up_tokenization_spaces",
        "truncation", "truncation.max_length", "padding", "decoder", "decoder.type", "decoder.prefix",
        "decoder.cleanup"
    ];

    /// <summary>For which nothing, or another value, says the same as what was there.</summary>
    private static readonly string[] HaveDefaults =
    [
        "model_type", "hidden_act", "type_vocab_size", "layer_norm_eps", "position_embedding_type", "is_decoder",
        "add_cross_attention", "pruned_heads", "tokenizer_class", "do_lower_case", "strip_accents",
        "tokenize_chinese_chars", "do_basic_tokenize", "never_split", "unk_token", "cls_token", "sep_token",
        "pad_token", "mask_token", "model_input_names", "model_input_names[0]", "model_input_names[2]",
        "additional_special_tokens", "additional_special_tokens[0]",
        "normalizer.strip_accents", "model.continuing_subword_prefix",
        "model.type", "version"
    ];

    private readonly CpuBackend _backend = new(1);

    public void Dispose() => _backend.Dispose();

    [Fact]
    public void Config_AnyFieldChanged_IsNeverASilentDifference()
    {
        using var folder = new SmallFolder();
        folder.Edit(ModelFiles.Config, config =>
        {
            config["architectures"] = new JsonArray("BertModel");
            config["hidden_dropout_prob"] = 0.1;
            config["is_decoder"] = false;
            config["add_cross_attention"] = false;
            config["position_embedding_type"] = "absolute";
            config["torch_dtype"] = "float32";
            config["transformers_version"] = "4.44.0";
            config["use_cache"] = true;
            config["pad_token_id"] = 0;
            config["pruned_heads"] = new JsonObject();
            config["id2label"] = new JsonObject { ["0"] = "no" };
        });
        Run(folder, ModelFiles.Config);
    }

    [Fact]
    public void TokenizerConfig_AnyFieldChanged_IsNeverASilentDifference()
    {
        using var folder = new SmallFolder();
        folder.Write(
            ModelFiles.TokenizerConfig,
            """
            {
              "tokenizer_class": "BertTokenizer", "do_lower_case": true, "strip_accents": null,
              "tokenize_chinese_chars": true, "do_basic_tokenize": true, "never_split": null, "model_max_length": 40,
              "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]",
              "mask_token": "[MASK]", "padding_side": "right", "clean_up_tokenization_spaces": true,
              "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
              "additional_special_tokens": ["##w"],
              "added_tokens_decoder": {
                "95": {
                  "content": "##w", "lstrip": false, "normalized": false, "rstrip": false, "single_word": false,
                  "special": true
                }
              }
            }
            """);
        Run(folder, ModelFiles.TokenizerConfig);
    }

    [Fact]
    public void TokenizerJson_AnyFieldChanged_IsNeverASilentDifference()
    {
        using var folder = new SmallFolder();
        var contents = folder.TokenizerJson();
        contents["truncation"] = new JsonObject { ["max_length"] = 30 };
        contents["model"]!["max_input_chars_per_word"] = 12;
        folder.Write(ModelFiles.Tokenizer, contents.ToJsonString());
        File.Delete(folder.At(ModelFiles.Vocabulary));
        Run(folder, ModelFiles.Tokenizer);
    }

    private void Run(SmallFolder folder, string file)
    {
        var original = File.ReadAllText(folder.At(file));
        var expected = Answer(folder);
        var problems = new List<string>();
        foreach (var path in Paths(JsonNode.Parse(original)!, ""))
        {
            foreach (var (name, changed) in Mutations(original, path))
            {
                folder.Write(file, changed);
                if (Check(folder, path, expected) is { } problem)
                    problems.Add($"{path} {name}: {problem}");
            }
        }

        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    /// <returns>What is wrong; null if nothing is.</returns>
    private string? Check(SmallFolder folder, string path, (BackboneDigest Digest, string Answer) expected)
    {
        var field = path.Split('.', '[')[^1];
        if (field.EndsWith(']'))
            field = path[..path.LastIndexOf('[')].Split('.')[^1];
        try
        {
            var (digest, answer) = Answer(folder);
            if (digest != expected.Digest)
                return answer == expected.Answer ? "the digest changed, the answer did not" : null;
            if (answer != expected.Answer)
                return "the answer changed without its digest";
            return IsHarmless(path) ? null : "accepted without effect";
        }
        catch (ModelFileException exception)
        {
            return exception.Message.Contains(field, StringComparison.Ordinal) ? null : exception.Message;
        }
    }

    private static bool IsHarmless(string path) => Harmless.Contains(path, StringComparer.Ordinal)
        || HaveDefaults.Contains(path, StringComparer.Ordinal)
        || path.StartsWith("added_tokens", StringComparison.Ordinal);

    private (BackboneDigest Digest, string Answer) Answer(SmallFolder folder)
    {
        var tokenizer = folder.Model.LoadTokenizer();
        using var encoder = folder.Model.LoadEncoder(_backend);
        using var workspace = encoder.CreateWorkspace(200, maxBranches: 4);
        var batch = new BertBatch();
        var answer = new List<string>();
        foreach (var text in Texts)
        {
            var tokens = tokenizer.Encode(text, "b", maxTokens: 40);
            answer.AddRange(tokens.Tokens.Select(token => $"{token.Id}:{token.Type}"));
            batch.AddBranch(batch.AddSequence(tokens), masks: null);
        }

        answer.AddRange(encoder.Forward(batch, workspace).ToArray().Select(value => $"{value:R}"));
        return (encoder.Backbone!, string.Join(' ', answer));
    }

    /// <summary>Every field and element, of a vocabulary only two.</summary>
    private static IEnumerable<string> Paths(JsonNode node, string path)
    {
        IEnumerable<(string Path, JsonNode? Node)> children = node switch
        {
            JsonObject fields => fields
                .Where(field => path != "model.vocab" || field.Key is "a" or "b")
                .Select(field => (path.Length == 0 ? field.Key : $"{path}.{field.Key}", field.Value)),
            JsonArray elements => elements.Select((element, i) => ($"{path}[{i}]", element)),
            _ => []
        };
        foreach (var (childPath, child) in children.ToList())
        {
            yield return childPath;
            if (child is null)
                continue;
            foreach (var below in Paths(child, childPath))
                yield return below;
        }
    }

    private static IEnumerable<(string Name, string Json)> Mutations(string original, string path)
    {
        yield return ("removed", Change(original, path, isRemoved: true));
        foreach (var value in (string[])["null", "true", "false", "7", "-1", "0.5", "\"x\"", "[]", "{}", "[7]"])
        {
            var changed = Change(original, path, JsonNode.Parse(value));
            if (changed != JsonNode.Parse(original)!.ToJsonString())
                yield return (value, changed);
        }
    }

    private static string Change(string original, string path, JsonNode? value = null, bool isRemoved = false)
    {
        var root = JsonNode.Parse(original)!;
        var steps = path.Replace("[", ".[", StringComparison.Ordinal).Split('.');
        var parent = steps[..^1].Aggregate(
            root, (node, step) => node is JsonArray list ? list[int.Parse(step[1..^1])]! : node[step]!);
        if (parent is JsonArray elements)
        {
            var index = int.Parse(steps[^1][1..^1]);
            if (isRemoved)
                elements.RemoveAt(index);
            else
                elements[index] = value;
        }
        else if (isRemoved)
            parent.AsObject().Remove(steps[^1]);
        else
            parent[steps[^1]] = value;
        return root.ToJsonString();
    }
}
