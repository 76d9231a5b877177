using System.Text.Json.Nodes;
using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Testing;

namespace Serving.Models.Tests;

/// <summary>A copy of the golden model, to be changed.</summary>
internal sealed class SmallFolder : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public SmallFolder()
    {
        foreach (var file in Directory.EnumerateFiles(Golden.At("bert")))
            File.Copy(file, At(System.IO.Path.GetFileName(file)));
    }

    public string Path => _folder.Path;

    public BertFolder Model => new(Path);

    public string At(string name) => _folder.At(name);

    public IEnumerable<string> Lines => File.ReadLines(At(ModelFiles.Vocabulary));

    public void Write(string name, string text) => File.WriteAllText(At(name), text);

    public JsonObject Read(string name) => JsonNode.Parse(File.ReadAllText(At(name)))!.AsObject();

    /// <summary>Changes a JSON file; an object is begun where it is missing.</summary>
    public void Edit(string name, Action<JsonObject> edit)
    {
        var contents = File.Exists(At(name)) ? Read(name) : [];
        edit(contents);
        Write(name, contents.ToJsonString());
    }

    /// <summary>Writes the weights again.</summary>
    /// <param name="add">Adds a tensor, or something else in its place.</param>
    public void Rewrite(Action<SafetensorsWriter, SafetensorsEntry, byte[]> add)
    {
        var writer = new SafetensorsWriter();
        using (var file = SafetensorsFile.Open(Golden.At("bert/model.safetensors")))
        {
            foreach (var entry in file.Entries.Values)
                add(writer, entry, file.Bytes(entry.Name).ToArray());
        }

        using var stream = File.Create(At(ModelFiles.Weights));
        writer.Write(stream);
    }

    /// <summary>A tokenizer.json that says what vocab.txt and an uncased tokenizer say.</summary>
    public JsonObject TokenizerJson(bool lowercase = true)
    {
        var vocab = new JsonObject();
        foreach (var (line, id) in Lines.Select((line, id) => (line, id)))
            vocab[line] = id;
        var added = new JsonArray();
        foreach (var (content, id) in Lines.Take(5).Select((line, id) => (line, id)))
        {
            added.Add(new JsonObject
            {
                ["id"] = id,
                ["content"] = content,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = true
            });
        }

        return new()
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = added,
            ["normalizer"] = new JsonObject
            {
                ["type"] = "BertNormalizer",
                ["clean_text"] = true,
                ["handle_chinese_chars"] = true,
                ["strip_accents"] = null,
                ["lowercase"] = lowercase
            },
            ["pre_tokenizer"] = new JsonObject { ["type"] = "BertPreTokenizer" },
            ["post_processor"] = new JsonObject
            {
                ["type"] = "BertProcessing",
                ["sep"] = new JsonArray("[SEP]", 3),
                ["cls"] = new JsonArray("[CLS]", 2)
            },
            ["decoder"] = new JsonObject { ["type"] = "WordPiece", ["prefix"] = "##", ["cleanup"] = true },
            ["model"] = new JsonObject
            {
                ["type"] = "WordPiece",
                ["unk_token"] = "[UNK]",
                ["continuing_subword_prefix"] = "##",
                ["max_input_chars_per_word"] = 100,
                ["vocab"] = vocab
            }
        };
    }

    /// <summary>The message with which the folder's tokenizer is refused.</summary>
    public string TokenizerRefusal() => Assert.Throws<ModelFileException>(() => Model.LoadTokenizer()).Message;

    public void Dispose() => _folder.Dispose();
}
