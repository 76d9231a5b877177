using System.Globalization;

namespace Serving.Training.Loop;

/// <summary>Numbers of rows, as messages list them.</summary>
internal static class ItemNumbers
{
    private const int Most = 100;

    /// <summary>"3, 17, 20", ascending and each once; of very many the first hundred.</summary>
    public static string List(IEnumerable<long> numbers)
    {
        var sorted = numbers.Distinct().Order().ToList();
        var listed = string.Join(", ", sorted.Take(Most).Select(each => each.ToString(CultureInfo.InvariantCulture)));
        return sorted.Count > Most ? $"{listed} and {sorted.Count - Most} more" : listed;
    }
}
