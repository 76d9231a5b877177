using System.Text.Json;
using Serving.Models.Json;
using Serving.Text;
using Serving.Text.Bpe;

namespace Serving.Models.Tokenizers;

/// <summary>Reads tokenizer.json: BPE over bytes, as GPT-2 has it, or WordPiece over bytes.</summary>
/// <remarks>Other parts are refused by name.</remarks>
internal static class BpeJson
{
    internal const string Bpe = "BPE";
    internal const string WordPiece = "WordPiece";
    internal const string WholeWords = "ignore_merges";
    internal const string Prefix = "continuing_subword_prefix";
    internal const string LongestWord = "max_input_chars_per_word";

    /// <summary>Of characters: no text has such a word.</summary>
    internal const int NoLongestWord = 1_000_000_000;

    private const int MostTokens = 1 << 22;

    /// <exception cref="ModelFileException">It can't be read, or has other parts than GPT-2's.</exception>
    /// <exception cref="VocabularyException">A byte, or a token that a merge makes or needs, is missing.</exception>
    public static BpeTokenizer Read(string path)
    {
        var fields = JsonFields.Read(path, "tokenizer");
        fields.ThrowUnlessKnown(name => name is "version" or "truncation" or "padding" or "added_tokens" or "normalizer"
            or "pre_tokenizer" or "post_processor" or "decoder" or "model");
        if (!fields.IsNull("normalizer"))
            throw fields.Refusal("normalizer", "texts are split as they are; null is needed");
        var hasSyllables = BpeSplits.Read(fields);
        var model = fields.Object("model") ?? throw fields.Refusal("model", "BPE or WordPiece is needed");
        var tokens = new Vocabulary(Tokens(fields, model));
        switch (model.Has("type") ? model.Text("type") : Bpe)
        {
            case Bpe:
                ThrowUnlessPlain(model);
                return new(tokens, Merges(model), Read(model, hasSyllables));
            case WordPiece:
                ThrowUnlessOverBytes(model);
                return new(tokens, merges: [], Segmentation.LongestTokens);
            default:
                throw model.Refusal("type", $"only '{Bpe}' or '{WordPiece}' runs here");
        }
    }

    private static Segmentation Read(JsonFields model, bool hasSyllables)
    {
        var isWhole = model.Flag(WholeWords) == true;
        if (hasSyllables && !isWhole)
            throw model.Refusal(WholeWords, "syllables are looked up before any merge; true is needed");
        return hasSyllables ? Segmentation.Syllables : isWhole ? Segmentation.WholeWords : Segmentation.Merges;
    }

    private static void ThrowUnlessPlain(JsonFields model)
    {
        model.ThrowUnlessKnown(name => name is "type" or "dropout" or "unk_token" or "continuing_subword_prefix"
            or "end_of_word_suffix" or "fuse_unk" or "byte_fallback" or WholeWords or "vocab" or "merges");
        foreach (var name in (string[])["dropout", Prefix, "end_of_word_suffix"])
        {
            if (!model.IsEmpty(name))
                throw model.Refusal(name, "GPT-2 has none");
        }

        if (model.Flag("byte_fallback") == true)
            throw model.Refusal("byte_fallback", "only false runs here");
    }

    private static void ThrowUnlessOverBytes(JsonFields model)
    {
        model.ThrowUnlessKnown(
            name => name is "type" or "unk_token" or Prefix or LongestWord or "vocab");
        if (!model.Has(Prefix) || model.Text(Prefix) != "")
            throw model.Refusal(Prefix, "pieces of bytes have none; \"\" is needed");
        _ = model.Number(LongestWord, NoLongestWord, int.MaxValue);
    }

    /// <summary>Tokens by id, with those that are added.</summary>
    private static string[] Tokens(JsonFields fields, JsonFields model)
    {
        var vocab = model.Object("vocab") ?? throw model.Refusal("vocab", "tokens with their ids are needed");
        var ids = vocab.Names.ToDictionary(
            token => token, token => vocab.Number(token, 0, MostTokens), StringComparer.Ordinal);
        foreach (var added in fields.Objects("added_tokens"))
            ids[added.Text("content") ?? ""] = added.Number("id", 0, MostTokens);
        var tokens = new string[ids.Count];
        foreach (var (token, id) in ids)
        {
            if (id >= tokens.Length || tokens[id] is not null)
            {
                throw model.Refusal(
                    "vocab", $"ids 0 to {tokens.Length - 1}, once each, are needed; '{token}' has {id}");
            }

            tokens[id] = token;
        }

        return tokens;
    }

    /// <summary>Pairs as "left right", or as lists of two.</summary>
    private static List<(string Left, string Right)> Merges(JsonFields model)
    {
        var merges = new List<(string, string)>();
        foreach (var merge in model.List("merges"))
        {
            string[] parts = merge.ValueKind switch
            {
                JsonValueKind.String => merge.GetString()!.Split(' '),
                JsonValueKind.Array when merge.EnumerateArray().All(part => part.ValueKind == JsonValueKind.String) =>
                    [.. merge.EnumerateArray().Select(part => part.GetString()!)],
                _ => []
            };
            if (parts is not [{ Length: > 0 } left, { Length: > 0 } right])
                throw model.Refusal("merges", $"pairs of tokens are needed; number {merges.Count} is none");
            merges.Add((left, right));
        }

        return merges;
    }
}
