using Serving.Tables;
using Serving.Text;

namespace Serving.Training.Data;

/// <summary>Reads examples from TSV, CSV, JSON lines or plain lines, all in UTF-8.</summary>
/// <remarks>Blank lines are no rows; each other row is either read or reported.</remarks>
public static class DatasetReader
{
    private const int MostNames = 50;

    /// <summary>Reads a file row by row.</summary>
    /// <param name="onProblem">Called for each row that is left out.</param>
    /// <param name="mostBytes">The largest size of the file, unzipped.</param>
    /// <exception cref="DatasetException">A column is missing, or the file is too large or invalid.</exception>
    public static IEnumerable<DatasetRow> Read(
        string path, DatasetFormat format, DatasetColumns columns, Action<DatasetProblem> onProblem,
        long mostBytes = long.MaxValue)
    {
        DatasetFile.ThrowUnlessSound(path, mostBytes);
        return format switch
        {
            DatasetFormat.Tsv => ReadTable(path, TableFormat.Tsv, columns, onProblem),
            DatasetFormat.Csv => ReadTable(path, TableFormat.Csv, columns, onProblem),
            DatasetFormat.Jsonl => ReadJson(path, columns, onProblem),
            _ => ReadLines(path, onProblem)
        };
    }

    private static IEnumerable<DatasetRow> ReadLines(string path, Action<DatasetProblem> onProblem)
    {
        foreach (var (number, line) in Lines(path))
        {
            var row = new DatasetRow(line, Pair: null, Label: null);
            if (Problem(row, needsPair: false, needsLabel: false) is { } problem)
                onProblem(new(number, problem));
            else
                yield return row;
        }
    }

    private static IEnumerable<DatasetRow> ReadTable(
        string path, TableFormat format, DatasetColumns columns, Action<DatasetProblem> onProblem)
    {
        var count = columns.HasHeader ? 0 : ColumnCount(path, format);
        using var stream = DatasetFile.Open(path);
        using var table = Checked(() => Table.Open(stream, format, columns.HasHeader));
        var places = table.Header.Count > 0 ? TableColumns.Find(columns, table.Header, table.Header.Count) : null;
        using var rows = table.Rows.GetEnumerator();
        while (Checked(rows.MoveNext))
        {
            var fields = rows.Current.Fields;
            places ??= TableColumns.Find(columns, [], count);
            var problem = places.Problem(rows.Current);
            DatasetRow? row = problem is not null ? null : new(
                fields[places.Text], places.Pair is { } pair ? fields[pair] : null,
                places.Label is { } label ? fields[label] : null);
            problem ??= Problem(row!, columns.Pair is not null, columns.Label is not null);
            if (problem is not null)
                onProblem(new(rows.Current.Line, problem));
            else
                yield return row!;
        }
    }

    /// <summary>What a table without a header has: as many columns as most of its rows.</summary>
    private static int ColumnCount(string path, TableFormat format)
    {
        using var stream = DatasetFile.Open(path);
        using var table = Checked(() => Table.Open(stream, format, hasHeader: false));
        return Checked(() => table.MostCommonCount());
    }

    private static IEnumerable<DatasetRow> ReadJson(
        string path, DatasetColumns columns, Action<DatasetProblem> onProblem)
    {
        ThrowUnlessThere(path, columns);
        foreach (var (number, line) in Lines(path))
        {
            DatasetRow? row = null;
            string? problem;
            try
            {
                row = RowOf(JsonRow.Parse(line), columns);
                problem = Problem(row, columns.Pair is not null, columns.Label is not null);
            }
            catch (RowException exception)
            {
                problem = exception.Message;
            }

            if (problem is not null)
                onProblem(new(number, problem));
            else
                yield return row!;
        }
    }

    private static DatasetRow RowOf(JsonRow fields, DatasetColumns columns) => new(
        fields.Text(columns.Text) ?? "", columns.Pair is null ? null : fields.Text(columns.Pair),
        columns.Label is null ? null : fields.Label(columns.Label));

    /// <summary>Looks through rows until each column was in one.</summary>
    /// <exception cref="DatasetException">A column is in none.</exception>
    private static void ThrowUnlessThere(string path, DatasetColumns columns)
    {
        var missing = new List<string?> { columns.Text, columns.Pair, columns.Label };
        missing.RemoveAll(column => column is null);
        var names = new List<string>();
        foreach (var (_, line) in Lines(path))
        {
            IReadOnlyCollection<string> found;
            try
            {
                found = JsonRow.Parse(line).Names;
            }
            catch (RowException)
            {
                continue; // Reported when it is read.
            }

            missing.RemoveAll(column => found.Contains(column, StringComparer.Ordinal));
            if (missing.Count == 0)
                return;
            if (names.Count < MostNames)
                names.AddRange(found.Except(names, StringComparer.Ordinal));
        }

        if (names.Count > 0)
        {
            throw new DatasetException(
                $"There is no column '{missing[0]}'; there are: {ColumnNames.Listed(names.Take(MostNames))}.");
        }
    }

    /// <summary>Why a row can't be used; null if it can.</summary>
    private static string? Problem(DatasetRow row, bool needsPair, bool needsLabel) =>
        !TextContent.HasWords(row.Text) ? "has no text"
        : needsPair && !TextContent.HasWords(row.Pair) ? "has no second text"
        : needsLabel && !TextContent.HasWords(row.Label) ? "has no label"
        : null;

    /// <summary>The lines that are not blank.</summary>
    private static IEnumerable<(long Number, string Text)> Lines(string path) =>
        TextLines.Read(DatasetFile.Open(path)).Where(line => !string.IsNullOrWhiteSpace(line.Text));

    private static T Checked<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (TableException exception)
        {
            throw new DatasetException(exception.Message, exception);
        }
    }
}
