using Serving.Storage;
using Serving.Training.Data;
using Serving.Training.Loop;

namespace Serving.Training.Recipes;

/// <summary>
/// Where rows that are learned from stand in their dataset's file; looked up only when somebody asks.
/// </summary>
/// <param name="rows">Some of the dataset's rows, in the file's order.</param>
internal sealed class RowOrigins(IRecipeInputs inputs, string dataset, IReadOnlyList<DatasetRow> rows)
{
    private long[]? _lines;

    /// <summary>"lines 3, 17 of rows.jsonl of the dataset 'films'".</summary>
    /// <param name="items">Numbers of rows, from 0.</param>
    public string Describe(IReadOnlyList<int> items)
    {
        try
        {
            _lines ??= Find();
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            return $"rows of the dataset '{dataset}', which is gone";
        }

        return $"lines {ItemNumbers.List(items.Select(item => _lines[item]))} of {DatasetFolder.RowsFile} of the "
            + $"dataset '{dataset}'";
    }

    /// <summary>The line of each row, from 1. Rows of the same texts stand in the same order.</summary>
    private long[] Find()
    {
        var places = new Dictionary<(string Text, string? Pair), Queue<long>>();
        var line = 0L;
        foreach (var row in LabelledDataset.Rows(inputs, dataset))
        {
            line++;
            var key = (row.Text, row.Pair);
            if (!places.TryGetValue(key, out var lines))
                places[key] = lines = new();
            lines.Enqueue(line);
        }

        return [.. rows.Select(row => Next(places[(row.Text, row.Pair)]))];

        static long Next(Queue<long> lines) => lines.Count > 1 ? lines.Dequeue() : lines.Peek();
    }
}
