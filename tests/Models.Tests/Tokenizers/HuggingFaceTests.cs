using System.Text.Json;
using System.Text.Json.Nodes;
using Serving.Text.Bert;
using Tokenizers.DotNet;

namespace Serving.Models.Tests.Tokenizers;

/// <summary>The same tokenizer.json gives the tokens that Hugging Face's tokenizers give, with every option.</summary>
public sealed class HuggingFaceTests : IDisposable
{
    private const int Texts = 10_000;
    private const int TextsPerCall = 100;

    private readonly SmallFolder _folder = new();

    public HuggingFaceTests()
    {
        // The demo's word pieces, and such as only cased text, accents and other scripts have.
        var pieces = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "demo", "vocab.txt")).ToList();
        string[] others =
        [
            "É", "é", "è", "ü", "Ü", "ñ", "Ä", "ä", "##é", "##ü", "##ä", "##Ä", "i̇", "##i̇", "東", "京", "東京", "##京",
            "한", "국", "ᄒ", "##ᅡ", "##ᆫ", "ä", "##̈", "̈", "À", "а", "##б", "Б", "б", "α", "##σ", "σ", "ς", "##ς", "Ω",
            "カ", "##゙", "か", "½", "²", "ﬁ", "№", "€", "😀", "##😀", "…", "—", "ｆ", "##ｕ", "≠", "∑", "[E1]", "E1"
        ];
        pieces.AddRange(others.Except(pieces));
        pieces.AddRange(Enumerable.Range('A', 26).Select(letter => $"{(char)letter}").Except(pieces));
        pieces.AddRange(Enumerable.Range('A', 26).Select(letter => $"##{(char)letter}").Except(pieces));
        _folder.Write(ModelFiles.Vocabulary, string.Join('\n', pieces) + "\n");
        _folder.Edit(ModelFiles.Config, config => config["vocab_size"] = pieces.Count + 2);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, null, true)]
    [InlineData(true, null, false)]
    [InlineData(true, true, true)]
    [InlineData(true, false, true)]
    [InlineData(true, false, false)]
    [InlineData(false, null, true)]
    [InlineData(false, null, false)]
    [InlineData(false, true, true)]
    [InlineData(false, true, false)]
    [InlineData(false, false, true)]
    [InlineData(false, null, true, 7)]
    [InlineData(true, null, true, 100, "[E1]", "<who>", "ing")]
    [InlineData(false, null, false, 12, "[E1]", "<who>", "東")]
    public void Tokens_OfRandomTexts_AreTheSame(
        bool lowercase, bool? stripAccents, bool splitIdeographs, int longest = 100, params string[] added)
    {
        // Those of private use are left out: to BERT's own code they are no controls, to Hugging Face's they are.
        var words = _folder.Lines.Where(line => line.All(unit => unit is < '\uE000' or > '\uF8FF')).ToList();
        WriteTokenizer(lowercase, stripAccents, splitIdeographs, longest, added);
        using var theirs = new Tokenizer(_folder.At(ModelFiles.Tokenizer));
        var ours = _folder.Model.LoadTokenizer();
        var texts = new RandomTexts(seed: 1, [.. words.Skip(5), .. added]);
        for (var call = 0; call < Texts / TextsPerCall; call++)
        {
            string[] some = [.. Enumerable.Range(0, TextsPerCall).Select(_ => texts.Next())];
            var joined = string.Join('\n', some);
            if (!Ours(ours, joined).SequenceEqual(Theirs(theirs, joined)))
            {
                foreach (var text in some)
                {
                    var (needed, found) = (Shown(text, Theirs(theirs, text)), Shown(text, Ours(ours, text)));
                    Assert.True(needed == found, $"{needed}\n{found}");
                }
            }
        }

        string Shown(string text, IEnumerable<int> ids) =>
            $"{string.Join(' ', ids.Select(id => ours.Vocabulary[id]))} from {JsonSerializer.Serialize(text)}";
    }

    private void WriteTokenizer(
        bool lowercase, bool? stripAccents, bool splitIdeographs, int longest, string[] added)
    {
        var contents = _folder.TokenizerJson(lowercase);
        contents["normalizer"]!["strip_accents"] = stripAccents;
        contents["normalizer"]!["handle_chinese_chars"] = splitIdeographs;
        contents["model"]!["max_input_chars_per_word"] = longest;
        var vocab = contents["model"]!["vocab"]!.AsObject();
        var next = vocab.Count;
        foreach (var content in added)
        {
            contents["added_tokens"]!.AsArray().Add(new JsonObject
            {
                ["id"] = vocab[content]?.GetValue<int>() ?? next++,
                ["content"] = content,
                ["single_word"] = false,
                ["lstrip"] = false,
                ["rstrip"] = false,
                ["normalized"] = false,
                ["special"] = content.StartsWith('[')
            });
        }

        _folder.Write(ModelFiles.Tokenizer, contents.ToJsonString());
    }

    private static IEnumerable<int> Ours(BertTokenizer tokenizer, string text) =>
        tokenizer.Tokenize(text).Select(token => token.Id);

    /// <summary>Without [CLS] and [SEP].</summary>
    private static IEnumerable<int> Theirs(Tokenizer tokenizer, string text) =>
        tokenizer.Encode(text).Skip(1).SkipLast(1).Select(id => (int)id);
}
