using Serving.Training.Data;

namespace Serving.Training.Recipes;

/// <summary>A corpus of one or more datasets: each row is a document.</summary>
internal static class CorpusRows
{
    /// <summary>All documents, with the lines of their datasets' rows, from 1.</summary>
    public static IEnumerable<(string Dataset, long Line, string Text)> Read(
        IRecipeInputs inputs, IReadOnlyList<string> datasets) => datasets
        .SelectMany(name => DatasetFolder.Rows(inputs.DatasetFolder(name)).Select((row, i) => (name, i + 1L, row)))
        .Select(each => (
            each.name, each.Item2, each.row.Pair is null ? each.row.Text : $"{each.row.Text}\n{each.row.Pair}"));
}
