using System.Text;
using Serving.Tensors;
using Serving.Training.Data;

namespace Serving.Training.Recipes;

/// <summary>Chooses rows to judge by, whatever their order; equal texts are on one side.</summary>
internal static class HeldOutRows
{
    /// <summary>Each text by chance.</summary>
    /// <returns>Whether each row is held out.</returns>
    public static bool[] ByText(IEnumerable<DatasetRow> rows, double share) =>
        [.. rows.Select(row => CounterRandom.Uniform(Hash(row), 0) < share)];

    /// <summary>The share of each label's rows, see <see cref="StratifiedSplit"/>.</summary>
    /// <param name="hasClasses">Whether labels are classes; numbers say nothing about the choice.</param>
    /// <returns>Whether each row is held out; null if no text can be.</returns>
    public static bool[]? Stratified(IEnumerable<DatasetRow> rows, double share, bool hasClasses)
    {
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var (texts, labels) = (new List<ulong>(), new List<int>());
        foreach (var row in rows)
        {
            texts.Add(CounterRandom.Bits(Hash(row), 0));
            var label = hasClasses ? row.Label! : "";
            numbers.TryAdd(label, numbers.Count);
            labels.Add(numbers[label]);
        }

        var ordered = new int[numbers.Count]; // The numbers in the order of the names, not of the rows.
        foreach (var (i, label) in numbers.Keys.Order(StringComparer.Ordinal).Index())
            ordered[numbers[label]] = i;
        return new StratifiedSplit([.. texts], [.. labels.Select(label => ordered[label])]).Choose(share);
    }

    /// <summary>FNV-1a.</summary>
    private static ulong Hash(DatasetRow row)
    {
        var hash = 0xCBF29CE484222325;
        foreach (var value in Encoding.UTF8.GetBytes(row.Text + '\0' + row.Pair))
            hash = (hash ^ value) * 0x100000001B3;
        return hash;
    }
}
