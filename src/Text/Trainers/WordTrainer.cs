using System.Text;
using Serving.Text.Bpe;

namespace Serving.Text.Trainers;

/// <summary>Makes a vocabulary of whole words, or of syllables, each with the space before it.</summary>
/// <remarks>Others are spelled in bytes, so that no text is unknown and every text comes back as it was.</remarks>
public static class WordTrainer
{
    /// <summary>Takes the most frequent words; equally frequent ones go by their text.</summary>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer Train(IEnumerable<string> texts, TrainerOptions options) =>
        Take(ByteVocabulary.CountWords(texts), options, Segmentation.WholeWords);

    /// <summary>Takes the most frequent syllables, see <see cref="Segmentation.Syllables"/>.</summary>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer TrainSyllables(IEnumerable<string> texts, TrainerOptions options)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (word, count) in ByteVocabulary.CountWords(texts))
        {
            foreach (var syllable in SyllableSplitter.Split(word))
                counts[syllable] = counts.GetValueOrDefault(syllable) + count;
        }

        return Take(counts, options, Segmentation.Syllables);
    }

    private static BpeTokenizer Take(
        IEnumerable<KeyValuePair<string, long>> counts, TrainerOptions options, Segmentation segmentation)
    {
        var tokens = new ByteVocabulary(options.VocabularySize);
        var pieces = counts.Where(piece => piece.Value >= options.MinPairCount)
            .OrderByDescending(piece => piece.Value).ThenBy(piece => piece.Key, StringComparer.Ordinal);
        foreach (var (piece, _) in pieces)
        {
            if (!tokens.HasRoom(1))
                break;
            tokens.Add(ByteAlphabet.ToText(Encoding.UTF8.GetBytes(piece)));
        }

        return new(tokens.Finish(), merges: [], segmentation);
    }
}
