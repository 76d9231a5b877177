using System.Text;
using Serving.Inference.Generation;
using Serving.Text.Trainers;

namespace Serving.Inference.Tests.Generation;

/// <summary>What of an answer is let through, and when. Tokens are single bytes here.</summary>
public sealed class AnswerTextTests
{
    [Fact]
    public void Append_CharacterOfSeveralTokens_AppearsWithItsLast_WithItsTokens()
    {
        var text = Begin();
        var shown = Feed(text, "aé€");

        // a is 1 byte, é 2, € 3.
        Assert.Equal(["a", "", "é", "", "", "€"], shown.Select(part => part.Text));
        Assert.Equal([1, 0, 2, 0, 0, 3], shown.Select(part => part.Tokens));
    }

    [Fact]
    public void Finish_WithinACharacter_GivesAReplacement_AndAllTokens()
    {
        var text = Begin();
        var shown = Feed(text, Encoding.UTF8.GetBytes("a€")[..3]);
        Assert.Equal(["a", "", ""], shown.Select(part => part.Text));
        text.Finish();
        Assert.Equal("\uFFFD", text.TakeText());
        Assert.Equal(2, text.TakeTokens().Count);
        Assert.False(text.HasReady);
    }

    [Fact]
    public void Append_StopString_NeitherItsTextNorItsTokensAppear()
    {
        var text = Begin("END", "Eé");
        var shown = Feed(text, "xENxEND");
        Assert.Equal(["x", "", "", "ENx", "", "", ""], shown.Select(part => part.Text));
        Assert.Equal([1, 0, 0, 3, 0, 0, 0], shown.Select(part => part.Tokens));
        Assert.True(text.IsStopped);
        text.Finish();
        Assert.False(text.HasReady);

        // A stop string that ends within what would be a character's bytes is none.
        var other = Begin("Eé");
        Assert.Equal("", Feed(other, Encoding.UTF8.GetBytes("Eé")[..2])[^1].Text);
        other.Finish();
        Assert.Equal("E\uFFFD", other.TakeText());
        Assert.False(other.IsStopped);
    }

    [Fact]
    public void Append_TokenThatTheTokenizerLacks_IsNoText()
    {
        var text = Begin();
        text.Append(100_000, logProbability: -1, top: []);
        Assert.Equal("", text.TakeText());
        Assert.Single(text.TakeTokens());
    }

    private static AnswerText Begin(params string[] stops) =>
        new(BpeTrainer.Train([], new() { VocabularySize = 257 }), stops);

    private static List<(string Text, int Tokens)> Feed(AnswerText text, string bytes) =>
        Feed(text, Encoding.UTF8.GetBytes(bytes));

    private static List<(string Text, int Tokens)> Feed(AnswerText text, ReadOnlySpan<byte> bytes)
    {
        var shown = new List<(string, int)>();
        foreach (var value in bytes)
        {
            text.Append(value, logProbability: -1, top: []); // The trainer's ids of single bytes are the bytes.
            shown.Add((text.TakeText(), text.TakeTokens().Count));
        }

        return shown;
    }
}
