namespace Serving.Storage;

/// <summary>What someone may have meant who wrote a name that is not there.</summary>
public static class NearestNames
{
    private const int MostCompared = 10_000;

    /// <summary>Known names, the one with the fewest edits first.</summary>
    public static IEnumerable<string> To(string name, IEnumerable<string> known) => known
        .Take(MostCompared)
        .OrderBy(other => EditDistance(name, other))
        .ThenBy(other => other, StringComparer.Ordinal);

    /// <summary>How many characters must be inserted, deleted or replaced (Levenshtein 1966).</summary>
    internal static int EditDistance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[b.Length];
    }
}
