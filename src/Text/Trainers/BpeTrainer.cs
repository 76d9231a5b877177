using System.Text;
using Serving.Text.Bpe;

namespace Serving.Text.Trainers;

/// <summary>Makes a byte-level BPE vocabulary from a corpus, as GPT-2's was made.</summary>
public static class BpeTrainer
{
    /// <summary>Ends a document; the last token of the vocabulary.</summary>
    public const string EndOfText = "<|endoftext|>";

    private const int ByteCount = 256;

    /// <summary>Learns merges: the vocabulary is the 256 bytes, the merged tokens, and the end of text.</summary>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer Train(IEnumerable<string> texts, TrainerOptions options)
    {
        if (options.VocabularySize <= ByteCount)
        {
            throw new VocabularyException(
                $"A vocabulary of {options.VocabularySize} tokens was asked for; at least {ByteCount + 1} are needed, "
                + "for the bytes and the end of text.");
        }

        var merger = new PairMerger();
        foreach (var (word, count) in CountWords(texts))
        {
            merger.Add(
                Encoding.UTF8.GetBytes(word).Select(value => ByteAlphabet.ToCharacter(value).ToString()), count);
        }

        List<string> tokens =
            [.. Enumerable.Range(0, ByteCount).Select(value => ByteAlphabet.ToCharacter((byte)value).ToString())];
        var known = new HashSet<string>(tokens, StringComparer.Ordinal);
        var merges = new List<(string Left, string Right)>();
        foreach (var (left, right, joined) in merger.Merge(string.Concat, options.MinPairCount))
        {
            if (tokens.Count >= options.VocabularySize - 1)
                break;
            merges.Add((left, right));
            if (known.Add(joined))
                tokens.Add(joined);
        }

        tokens.Add(EndOfText);
        return new(new Vocabulary(tokens), merges);
    }

    private static SortedDictionary<string, long> CountWords(IEnumerable<string> texts)
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            for (var rest = text.AsSpan(); rest.Length > 0;)
            {
                var length = WordSplitter.FirstWord(rest);
                var word = rest[..length].ToString();
                counts[word] = counts.GetValueOrDefault(word) + 1;
                rest = rest[length..];
            }
        }

        return counts;
    }
}
