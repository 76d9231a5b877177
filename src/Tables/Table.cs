using System.Text;
using CsvHelper;

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
/// <param name="Number">Of the line, from 1, the header included; for CSV of the record.</param>
public readonly record struct TableRow(long Number, IReadOnlyList<string> Fields);

/// <summary>A file is no table; the message says why.</summary>
public sealed class TableException(string message, Exception innerException) : Exception(message, innerException);

/// <summary>A table in UTF-8, read row by row.</summary>
public sealed class Table : IDisposable
{
    private readonly IDisposable _reader;

    private Table(IDisposable reader, IReadOnlyList<string> header, IEnumerable<TableRow> rows)
    {
        _reader = reader;
        Header = header;
        Rows = rows;
    }

    /// <summary>The names of the columns; empty if there is no header.</summary>
    public IReadOnlyList<string> Header { get; }

    /// <summary>The rows behind the header; to be read once.</summary>
    /// <exception cref="TableException">While they are read: it is no CSV.</exception>
    public IEnumerable<TableRow> Rows { get; }

    /// <param name="stream">Closed with the table.</param>
    /// <exception cref="TableException">It is no CSV.</exception>
    public static Table Open(Stream stream, TableFormat format, bool hasHeader) =>
        format == TableFormat.Csv ? OpenCsv(stream, hasHeader) : OpenTsv(stream, hasHeader);

    public void Dispose() => _reader.Dispose();

    private static Table OpenTsv(Stream stream, bool hasHeader)
    {
        var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        var header = hasHeader ? reader.ReadLine()?.Split('\t') ?? [] : [];
        return new(reader, header, Lines(reader, first: hasHeader ? 2 : 1));
    }

    private static IEnumerable<TableRow> Lines(StreamReader reader, long first)
    {
        for (var number = first; reader.ReadLine() is { } line; number++)
            yield return new(number, line.Split('\t'));
    }

    private static Table OpenCsv(Stream stream, bool hasHeader)
    {
        try
        {
            var csv = CsvReader.Create(
                stream, new CsvReaderOptions { Separator = ',', HasHeader = hasHeader, Mode = CsvMode.Rfc4180 });
            return new(csv, hasHeader ? [.. csv.Headers] : [], Records(csv));
        }
        catch (CsvFormatException exception)
        {
            throw new TableException(exception.Message, exception);
        }
    }

    private static IEnumerable<TableRow> Records(CsvReader csv)
    {
        while (Next(csv))
        {
            string[] fields = [.. Enumerable.Range(0, csv.FieldCount).Select(column => csv.GetString(column))];
            yield return new(csv.RowNumber, fields);
        }
    }

    private static bool Next(CsvReader csv)
    {
        try
        {
            return csv.Read();
        }
        catch (CsvFormatException exception)
        {
            throw new TableException(exception.Message, exception);
        }
    }
}
