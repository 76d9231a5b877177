using System.IO.Compression;
using Serving.Testing;
using Serving.Text.Bert;

namespace Serving.Hub.Tests.MiniLm;

/// <summary>Texts of people's words, one of each length in tokens; without such words, of the vocabulary's.</summary>
internal static class LengthTexts
{
    private const int LongestTokens = 512;
    private const string Reviews = "imdb/test.tsv.gz"; // label, text
    private const string Articles = "wikitext2/test.txt";

    /// <returns>In an order without order: long ones between short ones.</returns>
    public static IReadOnlyList<string> Make(BertTokenizer tokenizer)
    {
        using var words = Words(tokenizer).GetEnumerator();
        var texts = new List<string>();
        for (var tokens = BertTokenizer.FewestTokens; tokens <= LongestTokens; tokens++)
            texts.Add(Text(tokenizer, words, tokens - 2)); // [CLS] and [SEP]
        var shuffled = texts.ToArray();
        new Random(1).Shuffle(shuffled);
        return shuffled;
    }

    /// <summary>The next words, without those that are too long for what is left.</summary>
    private static string Text(BertTokenizer tokenizer, IEnumerator<string> words, int tokens)
    {
        var text = new List<string>();
        while (tokens > 0)
        {
            Assert.True(words.MoveNext(), "there are words enough");
            var count = tokenizer.Tokenize(words.Current).Count;
            if (count > tokens)
                continue;
            text.Add(words.Current);
            tokens -= count;
        }

        return string.Join(' ', text);
    }

    private static IEnumerable<string> Words(BertTokenizer tokenizer)
    {
        var words = SharedFiles.Exists($"data/{Reviews}") && SharedFiles.Exists($"data/{Articles}")
            ? ReadLines(Reviews).Zip(ReadLines(Articles), (review, article) => $"{review.Split('\t')[^1]} {article}")
                .SelectMany(lines => lines.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
            : VocabularyWords(tokenizer);
        return words.Where(word => !word.Contains('Σ')); // Hugging Face knows no final sigma.
    }

    private static IEnumerable<string> VocabularyWords(BertTokenizer tokenizer)
    {
        var words = tokenizer.Vocabulary.Tokens.Where(token => !token.StartsWith('[')).ToArray();
        var random = new Random(1);
        while (true)
            yield return words[random.Next(words.Length)];
    }

    private static IEnumerable<string> ReadLines(string path)
    {
        using Stream file = File.OpenRead(SharedFiles.At($"data/{path}"));
        using var plain = path.EndsWith(".gz", StringComparison.Ordinal)
            ? new GZipStream(file, CompressionMode.Decompress)
            : file;
        using var reader = new StreamReader(plain);
        while (reader.ReadLine() is { } line)
            yield return line;
    }
}
