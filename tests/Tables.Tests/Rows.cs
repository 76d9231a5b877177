using System.Text;

namespace Serving.Tables.Tests;

/// <summary>What a table or its rows are, for comparison.</summary>
internal static class Rows
{
    public const string Refused = "refused";

    /// <returns>Each row as "LINE:FIELD|FIELD", with its problem behind it.</returns>
    public static List<string> Read(Stream stream, TableFormat format)
    {
        using var table = Table.Open(stream, format, hasHeader: false);
        return [.. table.Rows.Select(row => Shown(row.Line, row.Fields, row.Problem is not null))];
    }

    public static List<string> Read(string text, TableFormat format) =>
        Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), format);

    public static string Shown(long line, IEnumerable<string> fields, bool hasProblem) =>
        $"{line}:{string.Join('|', fields)}{(hasProblem ? " !" : "")}";
}
