namespace Serving.Training.TextMetrics;

/// <summary>How much texts repeat themselves.</summary>
public static class Repetition
{
    private const int LeastPhrase = 2;
    private const int LeastCopies = 3;
    private const int LongestLoop = 90;
    private const int LeastLoop = 3;
    private const int ManyCopies = 50;

    /// <summary>
    /// seq-rep-n of one text: the share of its n-grams that came before, 1 - distinct ones / all (Welleck et al. 2020,
    /// sec. 6).
    /// </summary>
    /// <param name="n">At least 1.</param>
    /// <returns>0 where there are fewer than n tokens.</returns>
    public static double SequenceRate(ReadOnlyMemory<int> tokens, int n)
    {
        var all = tokens.Length - n + 1;
        return all < 1 ? 0 : 1 - ((double)NGrams.Of(tokens, n).ToHashSet(NGrams.Comparer).Count / all);
    }

    /// <summary>
    /// Whether a text ends in a loop: the same phrase of two tokens or more, three times or more (Holtzman et al. 2020,
    /// sec. 5).
    /// </summary>
    public static bool EndsInPhrase(ReadOnlySpan<int> tokens)
    {
        for (var length = LeastPhrase; length * LeastCopies <= tokens.Length; length++)
        {
            if (Copies(tokens, length) >= LeastCopies)
                return true;
        }

        return false;
    }

    /// <summary>
    /// The same as the paper's code decides it: of all phrases of up to 90 tokens that end the text, the one with the
    /// most copies, the shortest of equal ones, has at least three tokens and two copies, or more than 50 copies.
    /// </summary>
    public static bool EndsInLoop(ReadOnlySpan<int> tokens)
    {
        var (best, most) = (0, 0);
        for (var length = 1; length <= Math.Min(LongestLoop, tokens.Length); length++)
        {
            var copies = Copies(tokens, length);
            if (copies > most)
                (best, most) = (length, copies);
        }

        return most > 1 && (best >= LeastLoop || most > ManyCopies);
    }

    /// <summary>How often the last tokens come one after another at the end; 1 if no more than once.</summary>
    private static int Copies(ReadOnlySpan<int> tokens, int length)
    {
        var phrase = tokens[^length..];
        var copies = 1;
        while ((copies + 1) * length <= tokens.Length
            && tokens.Slice(tokens.Length - ((copies + 1) * length), length).SequenceEqual(phrase))
            copies++;
        return copies;
    }
}
