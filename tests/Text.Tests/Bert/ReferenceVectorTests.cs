using System.Text;
using System.Text.Json;
using Serving.Testing;
using Serving.Text.Bert;
using Serving.Text.Unicode;

namespace Serving.Text.Tests.Bert;

/// <summary>What other implementations made of the same text.</summary>
public sealed class ReferenceVectorTests
{
    private const string Questions = "fixtures/wordpiece/squad_questions.jsonl";
    private const string GoogleCases = "fixtures/wordpiece/google_bert_tokenization_test.json";

    [SharedFact(Questions)]
    public void Tokenize_3000Questions_GivesTheSameWordsAndIds()
    {
        var tokenizer = new BertTokenizer(
            Vocabulary.Load(SharedFiles.At("fixtures/vocab/bert-base-uncased-vocab.txt")));
        var count = 0;
        foreach (var line in File.ReadLines(SharedFiles.At(Questions)).Where(line => line.Length > 0))
        {
            var question = JsonDocument.Parse(line).RootElement;
            var text = question.GetProperty("text").GetString()!;
            var tokens = tokenizer.Tokenize(text);

            Assert.Equal(Strings(question.GetProperty("basic")), tokenizer.Words(text));
            Assert.Equal(
                Strings(question.GetProperty("wordpiece")), tokens.Select(token => tokenizer.Vocabulary[token.Id]));
            Assert.Equal(
                question.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), tokens.Select(t => t.Id));
            count++;
        }

        Assert.Equal(3000, count);
    }

    [SharedFact(GoogleCases)]
    public void Tokenize_GooglesCases_GivesTheSameTokens()
    {
        var cases = JsonDocument.Parse(File.ReadAllText(SharedFiles.At(GoogleCases))).RootElement;
        var full = cases.GetProperty("full");
        var tokenizer = new BertTokenizer(new(Strings(full.GetProperty("vocab"))));
        var tokens = tokenizer.Tokenize(full.GetProperty("text").GetString()!);
        Assert.Equal(Strings(full.GetProperty("tokens")), tokens.Select(token => tokenizer.Vocabulary[token.Id]));
        Assert.Equal(
            full.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), tokens.Select(token => token.Id));

        foreach (var basic in cases.GetProperty("basic").EnumerateArray())
        {
            var words = new BertTokenizer(tokenizer.Vocabulary, basic.GetProperty("lower").GetBoolean());
            Assert.Equal(Strings(basic.GetProperty("tokens")), words.Words(basic.GetProperty("text").GetString()!));
        }

        var wordPiece = cases.GetProperty("wordpiece");
        var pieces = new BertTokenizer(new(Strings(wordPiece.GetProperty("vocab"))), lowercase: false);
        foreach (var piece in wordPiece.GetProperty("cases").EnumerateArray())
        {
            Assert.Equal(
                Strings(piece.GetProperty("tokens")),
                pieces.Tokenize(piece.GetProperty("text").GetString()!).Select(token => pieces.Vocabulary[token.Id]));
        }

        AssertClass(cases.GetProperty("is_whitespace"), CharacterClasses.IsWhitespace);
        AssertClass(cases.GetProperty("is_control"), CharacterClasses.IsControl);
        AssertClass(cases.GetProperty("is_punctuation"), CharacterClasses.IsPunctuation);
    }

    private static void AssertClass(JsonElement expected, Func<Rune, bool> isMember)
    {
        Assert.All(Strings(expected.GetProperty("true")), text => Assert.True(isMember(Rune.GetRuneAt(text, 0)), text));
        Assert.All(
            Strings(expected.GetProperty("false")), text => Assert.False(isMember(Rune.GetRuneAt(text, 0)), text));
    }

    private static string[] Strings(JsonElement array) =>
        [.. array.EnumerateArray().Select(element => element.GetString()!)];
}
