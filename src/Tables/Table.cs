using System.Text;

namespace Serving.Tables;

/// <summary>How the columns of a table are told apart.</summary>
public enum TableFormat
{
    /// <summary>By tabs; quotes are just quotes, and a row is a line.</summary>
    Tsv,

    /// <summary>By commas, RFC 4180.</summary>
    Csv
}

/// <summary>A row of a table.</summary>
/// <param name="Line">The line that it begins on, from 1, the header and blank lines included.</param>
/// <param name="Problem">Why it can't be used: "has text behind a closing quote"; null if it can.</param>
public readonly record struct TableRow(long Line, IReadOnlyList<string> Fields, string? Problem = null);

/// <summary>A file is no table; the message says why.</summary>
public sealed class TableException(string message, Exception? innerException = null)
    : Exception(message, innerException);

/// <summary>A table in UTF-8, read row by row. Blank lines are no rows.</summary>
public sealed class Table : IDisposable
{
    private readonly Characters _characters;
    private readonly IEnumerator<TableRow> _rows;

    private Table(Characters characters, IEnumerable<TableRow> rows)
    {
        _characters = characters;
        _rows = rows.GetEnumerator();
    }

    /// <summary>The names of the columns; empty if there is no header.</summary>
    public IReadOnlyList<string> Header { get; private set; } = [];

    /// <summary>The rows behind the header; to be read once.</summary>
    /// <exception cref="TableException">While they are read: it is no CSV, or not UTF-8.</exception>
    public IEnumerable<TableRow> Rows
    {
        get
        {
            while (_rows.MoveNext())
                yield return _rows.Current;
        }
    }

    /// <param name="stream">Closed with the table.</param>
    /// <exception cref="TableException">It is no CSV, or not UTF-8.</exception>
    public static Table Open(Stream stream, TableFormat format, bool hasHeader)
    {
        var isCsv = format == TableFormat.Csv;
        var characters = Characters.OfTable(stream, hasQuotes: isCsv);
        var table = new Table(characters, isCsv ? CsvRows.Read(characters) : TsvRows(characters));
        if (hasHeader && table._rows.MoveNext())
            table.Header = HeaderOf(table._rows.Current);
        return table;
    }

    /// <summary>Reads all rows and counts their fields.</summary>
    /// <returns>The number that most rows have, of several the first row's; 0 without rows.</returns>
    /// <exception cref="TableException">It is no CSV, or not UTF-8.</exception>
    public int MostCommonCount() =>
        MostCommonCount(Rows.Where(row => row.Problem is null).Select(row => row.Fields.Count));

    /// <param name="counts">Of the fields of each row.</param>
    public static int MostCommonCount(IEnumerable<int> counts)
    {
        var (rows, order) = (new Dictionary<int, long>(), new List<int>());
        foreach (var count in counts)
        {
            if (rows.TryAdd(count, 0))
                order.Add(count);
            rows[count]++;
        }

        return order.Count == 0 ? 0 : order.MaxBy(count => rows[count]); // The first of several.
    }

    public void Dispose()
    {
        _rows.Dispose();
        _characters.Dispose();
    }

    private static IReadOnlyList<string> HeaderOf(TableRow row) => row.Problem is null
        ? row.Fields
        : throw new TableException($"Line {row.Line}, the header, {row.Problem}.");

    private static IEnumerable<TableRow> TsvRows(Characters characters)
    {
        var buffer = new StringBuilder();
        for (var number = characters.Line; characters.ReadLine(buffer) is { } line; number = characters.Line)
        {
            string[] fields = line.Split('\t');
            if (fields.Length > 1 || !string.IsNullOrWhiteSpace(line))
                yield return new(number, fields);
        }
    }
}
