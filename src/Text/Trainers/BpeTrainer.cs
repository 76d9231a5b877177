using System.Text;
using Serving.Text.Bpe;

namespace Serving.Text.Trainers;

/// <summary>Makes a byte-level BPE vocabulary from a corpus, as GPT-2's was made.</summary>
public static class BpeTrainer
{
    /// <summary>Ends a document; the last token of the vocabulary.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <summary>Learns merges: the vocabulary is the 256 bytes, the merged tokens, and the end of text.</summary>
    /// <param name="segmentation">
    /// How words become tokens. WordPiece's vocabularies are made by merges, too, as Hugging Face's trainer does.
    /// </param>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer Train(
        IEnumerable<string> texts, TrainerOptions options, Segmentation segmentation = Segmentation.Merges)
    {
        var tokens = new ByteVocabulary(options.VocabularySize);
        var merger = new PairMerger();
        foreach (var (word, count) in ByteVocabulary.CountWords(texts))
        {
            merger.Add(
                Encoding.UTF8.GetBytes(word).Select(value => ByteAlphabet.ToCharacter(value).ToString()), count);
        }

        var merges = new List<(string Left, string Right)>();
        foreach (var (left, right, joined) in merger.Merge(string.Concat, options.MinPairCount))
        {
            if (!tokens.HasRoom(1))
                break;
            merges.Add((left, right));
            tokens.Add(joined);
        }

        return segmentation == Segmentation.LongestTokens
            ? new(tokens.Finish(), [], segmentation)
            : new(tokens.Finish(), merges, segmentation);
    }
}
