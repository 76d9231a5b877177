using Serving.Training.TextMetrics;

namespace Serving.Training.LanguageModels;

/// <summary>Tokens that unlikelihood training makes unlikely (Welleck et al. 2020, sec. 5).</summary>
public static class UnlikelyTokens
{
    /// <summary>
    /// Of a sequence's labels, token by token: the tokens before, each once, but for the label itself and the end of
    /// text.
    /// </summary>
    /// <param name="candidates">They are added, those of one label behind another's.</param>
    /// <param name="ends">Where those of each label end is added.</param>
    public static void AddPrevious(TokenWindow window, int endToken, List<int> candidates, List<int> ends)
    {
        var seen = new HashSet<int>();
        var previous = new List<int>();
        for (var i = 0; i < window.Count; i++)
        {
            var token = window.Tokens[i];
            if (token != endToken && seen.Add(token))
                previous.Add(token);
            candidates.AddRange(previous.Where(other => other != window.Tokens[i + 1]));
            ends.Add(candidates.Count);
        }
    }

    /// <summary>Which tokens are part of n in a row that came before; overlapping ones count.</summary>
    /// <param name="n">At least 1.</param>
    /// <returns>One for each token; none is, where there are fewer than n.</returns>
    public static bool[] Repeated(ReadOnlySpan<int> tokens, int n)
    {
        var repeated = new bool[tokens.Length];
        var seen = new HashSet<int[]>(NGrams.Comparer);
        for (var first = 0; first + n <= tokens.Length; first++)
        {
            if (!seen.Add(tokens.Slice(first, n).ToArray()))
                repeated.AsSpan(first, n).Fill(true);
        }

        return repeated;
    }
}
