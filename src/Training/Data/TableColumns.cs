using System.Globalization;
using Serving.Tables;

namespace Serving.Training.Data;

/// <summary>Where a table's columns are, counted from 0.</summary>
/// <param name="Count">Of all columns.</param>
internal sealed record TableColumns(int Text, int? Pair, int? Label, int Count, bool HasHeader)
{
    /// <param name="header">Its names; empty if there is none.</param>
    /// <param name="count">Columns of the table: of its header, or of most of its rows.</param>
    /// <exception cref="DatasetException">A column is missing, or there are two of its name.</exception>
    public static TableColumns Find(DatasetColumns columns, IReadOnlyList<string> header, int count) => new(
        Place(columns.Text, header, count),
        columns.Pair is null ? null : Place(columns.Pair, header, count),
        columns.Label is null ? null : Place(columns.Label, header, count),
        count,
        header.Count > 0);

    /// <returns>Why the row can't be read; null if it can.</returns>
    public string? Problem(TableRow row)
    {
        var needed = 1 + Math.Max(Text, Math.Max(Pair ?? 0, Label ?? 0));
        var found = row.Fields.Count;
        return row.Problem
            ?? (found < needed ? $"has {found} columns, {needed} are needed"
            : found > Count ? $"has {found} columns, {(HasHeader ? "the header has" : "others have")} {Count}"
            : null);
    }

    private static int Place(string column, IReadOnlyList<string> header, int count)
    {
        if (header.Count == 0)
        {
            return int.TryParse(column, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                && number >= 1 && number <= count
                ? number - 1
                : throw new DatasetException(
                    $"There is no column '{column}'; without a header, columns are named 1 to {count}.");
        }

        List<int> places = [.. Enumerable.Range(0, header.Count).Where(place => header[place] == column)];
        return places.Count switch
        {
            1 => places[0],
            0 => throw new DatasetException(
                $"There is no column '{column}'; there are: {ColumnNames.Listed(header)}."),
            _ => throw new DatasetException(
                $"There are {places.Count} columns '{column}'; rename all but the one that is meant.")
        };
    }
}
