using System.Text;
using Serving.Text.Bpe;

namespace Serving.Text.Trainers;

/// <summary>Makes a vocabulary of whole words, each with the space before it.</summary>
/// <remarks>Other words are spelled in bytes, so that no text is unknown and every text comes back as it was.</remarks>
public static class WordTrainer
{
    /// <summary>Takes the most frequent words; equally frequent ones go by their text.</summary>
    /// <exception cref="VocabularyException">The size does not hold the bytes and the end of text.</exception>
    public static BpeTokenizer Train(IEnumerable<string> texts, TrainerOptions options)
    {
        var tokens = new ByteVocabulary(options.VocabularySize);
        var words = ByteVocabulary.CountWords(texts).Where(word => word.Value >= options.MinPairCount)
            .OrderByDescending(word => word.Value).ThenBy(word => word.Key, StringComparer.Ordinal);
        foreach (var (word, _) in words)
        {
            if (!tokens.HasRoom(1))
                break;
            tokens.Add(ByteAlphabet.ToText(Encoding.UTF8.GetBytes(word)));
        }

        return new(tokens.Finish(), merges: [], Segmentation.WholeWords);
    }
}
