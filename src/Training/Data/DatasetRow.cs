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
/// <param name="Line">The line that it begins on, from 1, the header and blank lines included.</param>
public sealed record DatasetProblem(long Line, string Message);

/// <summary>A file can't be read as asked.</summary>
public class DatasetException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>A file is larger than it may be.</summary>
public sealed class DatasetTooLargeException(string message) : DatasetException(message);
