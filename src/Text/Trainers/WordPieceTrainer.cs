using System.Text;
using Serving.Text.Bert;

namespace Serving.Text.Trainers;

/// <summary>Makes a WordPiece vocabulary from a corpus.</summary>
/// <remarks>
/// Pieces are joined by how often they come, as Hugging Face's trainer does, not by the likelihood gain of Schuster and
/// Nakajima 2012, which prefers rare characters that only come together.
/// </remarks>
public static class WordPieceTrainer
{
    private static readonly string[] SpecialTokens =
    [
        BertTokenizer.PaddingToken,
        BertTokenizer.UnknownToken,
        BertTokenizer.ClassifierToken,
        BertTokenizer.SeparatorToken,
        BertTokenizer.MaskToken
    ];

    /// <summary>Learns a vocabulary: special tokens, then characters by their frequency, then joined pieces.</summary>
    /// <exception cref="VocabularyException">The corpus has no words, or the size leaves them no room.</exception>
    public static Vocabulary Train(IEnumerable<string> texts, bool lowercase, TrainerOptions options)
    {
        if (options.VocabularySize <= SpecialTokens.Length)
        {
            throw new VocabularyException(
                $"A vocabulary of {options.VocabularySize} tokens was asked for; the {SpecialTokens.Length} special "
                + "ones need to leave room for others.");
        }

        var words = CountWords(texts, lowercase);
        if (words.Count == 0)
            throw new VocabularyException("The corpus has no words; give it text.");
        var tokens = new List<string>(SpecialTokens);
        var known = new HashSet<string>(SpecialTokens, StringComparer.Ordinal);
        var merger = new PairMerger();
        var characters = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var (word, count) in words)
        {
            var symbols = Symbols(word);
            merger.Add(symbols, count);
            foreach (var symbol in symbols)
                characters[symbol] = characters.GetValueOrDefault(symbol) + count;
        }

        var byFrequency = characters.OrderByDescending(pair => pair.Value).ThenBy(
            pair => pair.Key, StringComparer.Ordinal);
        Take(byFrequency.Select(pair => pair.Key));
        Take(merger.Merge(Join, options.MinPairCount).Select(merge => merge.Joined));
        return new(tokens);

        void Take(IEnumerable<string> candidates)
        {
            if (tokens.Count >= options.VocabularySize)
                return;
            foreach (var token in candidates)
            {
                if (known.Add(token))
                    tokens.Add(token);
                if (tokens.Count >= options.VocabularySize)
                    return;
            }
        }
    }

    private static string Join(string left, string right) =>
        left + right[WordPieceTokenizer.ContinuationPrefix.Length..];

    private static List<string> Symbols(string word) =>
    [
        .. word.EnumerateRunes().Select(
            (rune, i) => i == 0 ? rune.ToString() : WordPieceTokenizer.ContinuationPrefix + rune)
    ];

    private static SortedDictionary<string, long> CountWords(IEnumerable<string> texts, bool lowercase)
    {
        var options = new BertTokenizerOptions { Lowercase = lowercase };
        var basic = new BasicTokenizer(options);
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        var normalized = new NormalizedText();
        foreach (var text in texts)
        {
            normalized.Clear();
            basic.Run(text, normalized);
            foreach (var span in normalized.Words)
            {
                var word = normalized.Characters[span.Start..span.End].ToString();
                if (word.EnumerateRunes().Count() <= options.MaxWordCharacters)
                    counts[word] = counts.GetValueOrDefault(word) + 1;
            }
        }

        return counts;
    }
}
