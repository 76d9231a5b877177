using System.Buffers;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Serving.Tables;

namespace Serving.Training.Data;

/// <summary>How a file of examples is written; any of them may be gzipped.</summary>
public enum DatasetFormat
{
    /// <summary>Tab-separated; quotes are just quotes.</summary>
    Tsv,

    /// <summary>Comma-separated, RFC 4180.</summary>
    Csv,

    /// <summary>A JSON object a line.</summary>
    Jsonl,

    /// <summary>A text a line.</summary>
    Lines
}

/// <summary>Which columns of a file are what.</summary>
/// <param name="Text">By name, or by number from 1 where there is no header; not needed for lines.</param>
/// <param name="Pair">Null for single texts.</param>
/// <param name="Label">Null for texts without labels.</param>
/// <param name="HasHeader">Whether the first row names the columns; for TSV and CSV.</param>
public sealed record DatasetColumns(string Text, string? Pair = null, string? Label = null, bool HasHeader = true);

/// <summary>An example.</summary>
public sealed record DatasetRow(string Text, string? Pair, string? Label);

/// <summary>A row that can't be used.</summary>
/// <param name="Line">From 1, the header included; for CSV the number of the record.</param>
public sealed record DatasetProblem(long Line, string Message);

/// <summary>A file can't be read as asked.</summary>
public class DatasetException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>A file is larger than it may be.</summary>
public sealed class DatasetTooLargeException(string message) : DatasetException(message);

/// <summary>Reads examples from TSV, CSV, JSON lines or plain lines, all in UTF-8.</summary>
public static class DatasetReader
{
    private const int LongestLine = 16 << 20;
    private const byte GzipFirst = 0x1F;
    private const byte GzipSecond = 0x8B;

    /// <summary>Reads a file row by row.</summary>
    /// <param name="onProblem">Called for each row that is left out.</param>
    /// <param name="mostBytes">The largest size of the file, unzipped.</param>
    /// <exception cref="DatasetException">A column is missing, or the file is too large or invalid.</exception>
    public static IEnumerable<DatasetRow> Read(
        string path, DatasetFormat format, DatasetColumns columns, Action<DatasetProblem> onProblem,
        long mostBytes = long.MaxValue)
    {
        ThrowUnlessSound(path, mostBytes);
        var rows = format switch
        {
            DatasetFormat.Tsv => ReadTable(path, TableFormat.Tsv, columns, onProblem),
            DatasetFormat.Csv => ReadTable(path, TableFormat.Csv, columns, onProblem),
            DatasetFormat.Jsonl => ReadJson(path, columns, onProblem),
            _ => ReadLines(path, onProblem)
        };
        return rows;
    }

    /// <summary>Opens a file, unzipped if it is gzip.</summary>
    public static Stream Open(string path)
    {
        var file = File.OpenRead(path);
        var isGzip = file.ReadByte() == GzipFirst && file.ReadByte() == GzipSecond;
        file.Position = 0;
        return isGzip ? new GZipStream(file, CompressionMode.Decompress) : file;
    }

    private static IEnumerable<DatasetRow> ReadLines(string path, Action<DatasetProblem> onProblem)
    {
        foreach (var (number, line) in Lines(path))
        {
            if (Row(number, line, null, null, needsLabel: false, needsPair: false, onProblem) is { } row)
                yield return row;
        }
    }

    private static IEnumerable<DatasetRow> ReadTable(
        string path, TableFormat format, DatasetColumns columns, Action<DatasetProblem> onProblem)
    {
        using var stream = Open(path);
        using var table = Checked(() => Table.Open(stream, format, columns.HasHeader));
        Places? places = table.Header.Count > 0 ? Places.Find(columns, table.Header, table.Header.Count) : null;
        using var rows = table.Rows.GetEnumerator();
        while (Checked(rows.MoveNext))
        {
            var (number, fields) = rows.Current;
            places ??= Places.Find(columns, [], fields.Count);
            if (places.Row(number, fields, onProblem) is { } row)
                yield return row;
        }
    }

    private static T Checked<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (TableException exception)
        {
            throw new DatasetException($"It is no CSV: {exception.Message}", exception);
        }
    }

    private static IEnumerable<DatasetRow> ReadJson(
        string path, DatasetColumns columns, Action<DatasetProblem> onProblem)
    {
        foreach (var (number, line) in Lines(path))
        {
            Dictionary<string, string?>? fields = null;
            try
            {
                using var document = JsonDocument.Parse(line);
                fields = document.RootElement.EnumerateObject().ToDictionary(
                    property => property.Name,
                    property => property.Value.ValueKind == JsonValueKind.Null ? null : property.Value.ToString(),
                    StringComparer.Ordinal);
            }
            catch (Exception exception)
                when (exception is JsonException or InvalidOperationException or ArgumentException)
            {
                onProblem(new(number, "is no JSON object"));
            }

            if (fields is null)
                continue;
            if (number == 1)
                Places.Find(columns, [.. fields.Keys], fields.Count);
            string? Field(string? name) => name is null ? null : fields.GetValueOrDefault(name);
            var row = Row(
                number, Field(columns.Text), Field(columns.Pair), Field(columns.Label), columns.Label is not null,
                columns.Pair is not null, onProblem);
            if (row is not null)
                yield return row;
        }
    }

    private static DatasetRow? Row(
        long number, string? text, string? pair, string? label, bool needsLabel, bool needsPair,
        Action<DatasetProblem> onProblem)
    {
        var problem = string.IsNullOrWhiteSpace(text) ? "has no text"
            : needsPair && string.IsNullOrWhiteSpace(pair) ? "has no second text"
            : needsLabel && string.IsNullOrWhiteSpace(label) ? "has no label"
            : null;
        if (problem is null)
            return new(text!, pair, label);
        onProblem(new(number, problem));
        return null;
    }

    private static IEnumerable<(long Number, string Line)> Lines(string path)
    {
        using var stream = Open(path);
        using var reader = new StreamReader(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        for (var number = 1L; reader.ReadLine() is { } line; number++)
            yield return (number, line);
    }

    /// <summary>Checks sizes and UTF-8 before anything is read into memory.</summary>
    private static void ThrowUnlessSound(string path, long mostBytes)
    {
        using var stream = Open(path);
        var buffer = new byte[1 << 20];
        var (line, kept, total, ofLine) = (1L, 0, 0L, 0L);
        while (true)
        {
            int read;
            try
            {
                read = stream.Read(buffer, kept, buffer.Length - kept);
            }
            catch (InvalidDataException exception)
            {
                throw new DatasetException("It begins like gzip, but can't be unzipped.", exception);
            }

            total += read;
            if (total > mostBytes)
                throw new DatasetTooLargeException($"The file has more than {mostBytes} bytes; cut it into several.");
            var bytes = buffer.AsSpan(0, kept + read);
            var end = read == 0 ? bytes.Length : WholeCharacters(bytes);
            if (!Utf8.IsValid(bytes[..end]))
            {
                var valid = FirstInvalid(bytes[..end]);
                throw new DatasetException(
                    $"Line {line + bytes[..valid].Count((byte)'\n')} is not UTF-8. "
                    + "Convert the file, for example with iconv.");
            }

            line += bytes[..end].Count((byte)'\n');
            var last = bytes[..end].LastIndexOf((byte)'\n');
            ofLine = last < 0 ? ofLine + end : end - last - 1;
            if (ofLine > LongestLine)
                throw new DatasetTooLargeException($"Line {line} has more than {LongestLine} bytes; a row is a line.");
            bytes[end..].CopyTo(buffer);
            kept = bytes.Length - end;
            if (read == 0)
                return;
        }
    }

    /// <summary>Bytes up to the beginning of the last character, which may be cut off.</summary>
    private static int WholeCharacters(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.Length;
        for (var back = 1; back <= Math.Min(4, end); back++)
        {
            if ((bytes[^back] & 0xC0) != 0x80) // The first byte of a character.
                return end - back;
        }

        return end;
    }

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        while (at < bytes.Length && Rune.DecodeFromUtf8(bytes[at..], out _, out var length) == OperationStatus.Done)
            at += length;
        return at;
    }

    /// <summary>Where a table's columns are.</summary>
    private sealed record Places(int Text, int? Pair, int? Label)
    {
        public static Places Find(DatasetColumns columns, IReadOnlyList<string> header, int count) => new(
            Place(columns.Text, header, count),
            columns.Pair is null ? null : Place(columns.Pair, header, count),
            columns.Label is null ? null : Place(columns.Label, header, count));

        public DatasetRow? Row(long number, IReadOnlyList<string> fields, Action<DatasetProblem> onProblem)
        {
            var needed = 1 + Math.Max(Text, Math.Max(Pair ?? 0, Label ?? 0));
            if (fields.Count < needed)
            {
                onProblem(new(number, $"has {fields.Count} columns, {needed} are needed"));
                return null;
            }

            return DatasetReader.Row(
                number, fields[Text], Pair is { } pair ? fields[pair] : null, Label is { } label ? fields[label] : null,
                Label is not null, Pair is not null, onProblem);
        }

        private static int Place(string column, IReadOnlyList<string> header, int count)
        {
            for (var i = 0; i < header.Count; i++)
            {
                if (header[i] == column)
                    return i;
            }

            if (header.Count > 0)
                throw new DatasetException($"There is no column '{column}'; there are: {string.Join(", ", header)}.");
            return int.TryParse(column, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= 1
                && number <= count
                ? number - 1
                : throw new DatasetException(
                    $"There is no column '{column}'; without a header, columns are named 1 to {count}.");
        }
    }
}
