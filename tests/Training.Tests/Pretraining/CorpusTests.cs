using Serving.Training.Pretraining;

namespace Serving.Training.Tests.Pretraining;

public sealed class CorpusTests
{
    [Theory]
    [InlineData("One. Two! Three?", "One.|Two!|Three?")]
    [InlineData("He said \"no.\" She left.", "He said \"no.\"|She left.")]
    [InlineData(
        "Mr. Smith met J. Doe at 3.14 p.m. today. Then he left...",
        "Mr. Smith met J. Doe at 3.14 p.m. today.|Then he left...")]
    [InlineData("it works . and again . end", "it works .|and again .|end")]
    [InlineData("A line\nAnother one. ", "A line|Another one.")]
    [InlineData("no end", "no end")]
    [InlineData("", "")]
    public void Sentences_AreFound(string text, string expected)
    {
        int[] ends = [.. SentenceSplitter.Ends(text)];
        Assert.Equal(ends.Order().Distinct(), ends);
        var sentences = ends.Select((end, i) => text[(i == 0 ? 0 : ends[i - 1])..end].Trim());
        Assert.Equal(expected, string.Join('|', sentences));
    }

    [Fact]
    public void Documents_AreReadAsTheyWereWritten()
    {
        string[] texts = [.. Enumerable.Range(0, 20).Select(i => Story.Document(i, 1 + (i % 5))), "", " \n "];
        using var corpus = new TextCorpus(texts, Story.Tokenizer);
        // Texts without a token are no documents.
        Assert.Equal((20, 60), (corpus.Value.Documents, corpus.Value.Sentences));
        for (var i = 0; i < 20; i++)
        {
            var (tokens, document) = (Story.Tokenizer.Tokenize(texts[i]), corpus.Value.Read(i));
            Assert.Equal(tokens.Select(token => token.Id), document.Tokens);
            Assert.Equal(tokens.Select(token => char.IsUpper(texts[i][token.Span.Start])), document.Capitals);
            Assert.Equal((tokens.Count, tokens.Count), (corpus.Value.Length(i), document.SentenceEnds[^1]));
            Assert.All(document.SentenceEnds, end => Assert.Equal(".", Story.Words[document.Tokens[end - 1]]));
            Assert.Equal(1 + (i % 5), document.SentenceEnds.Length);
        }
    }

    [Fact]
    public void File_ThatIsDamaged_IsRefused()
    {
        using var corpus = new TextCorpus([Story.Document(1)], Story.Tokenizer);
        var bytes = File.ReadAllBytes(corpus.File);
        byte[][] damages = [bytes[..^8], bytes[..20], [.. bytes, 0], [(byte)(bytes[0] ^ 1), .. bytes[1..]], []];
        foreach (var damaged in damages)
        {
            var path = corpus.File + ".damaged";
            File.WriteAllBytes(path, damaged);
            Assert.Throws<IOException>(() => Corpus.Open(path));
        }
    }

    /// <summary>A document that is there twice changes only how rare its terms are.</summary>
    [Fact]
    public void Weights_OfTerms_FollowTheFormula()
    {
        string[] texts = ["aa aa aaa . bb", "aa bb ccc ccc", "dd"];
        using var once = new TextCorpus(texts, Story.Tokenizer);
        using var twice = new TextCorpus([.. texts, texts[0]], Story.Tokenizer);
        var (document, same) = (once.Value.Read(0), twice.Value.Read(3));
        Assert.Equal([10f, 10f, 0f, 0f, 0f], TermWeights.TermFrequency(document));
        Assert.Equal(TermWeights.TermFrequency(document), TermWeights.TermFrequency(same));
        Assert.Equal([0f], TermWeights.TermFrequency(once.Value.Read(2))); // All the same: 0.

        AssertClose(
            Rescaled(2 * Math.Log(3.0 / 2), Math.Log(3), Math.Log(3), Math.Log(3.0 / 2)),
            TermWeights.TermImportance(document, once.Value));
        AssertClose(
            Rescaled(2 * Math.Log(4.0 / 3), Math.Log(2), Math.Log(2), Math.Log(4.0 / 3)),
            TermWeights.TermImportance(same, twice.Value));

        static double[] Rescaled(double aa, double aaa, double dot, double bb)
        {
            double[] weights = [aa, aa, aaa, dot, bb];
            return [.. weights.Select(weight => 10 * (weight - weights.Min()) / (weights.Max() - weights.Min()))];
        }

        static void AssertClose(double[] expected, float[] actual) =>
            Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }
}
