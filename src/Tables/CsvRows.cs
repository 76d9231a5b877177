using System.Buffers;
using System.Text;

namespace Serving.Tables;

/// <summary>The rows of comma-separated values, RFC 4180.</summary>
/// <remarks>
/// A quote at the beginning of a field opens a quoted one, with commas, line ends and doubled quotes in it; elsewhere
/// it is text. One that is closed nowhere, or in the middle of a field on another line, takes in other rows, and nobody
/// can say how many: that is refused. On the same line it spoils this row alone.
/// </remarks>
internal static class CsvRows
{
    /// <summary>The longest row, in UTF-16 code units.</summary>
    private const int LongestRow = 16 << 20;

    private static readonly SearchValues<char> PlainStops = SearchValues.Create(",\r\n");
    private static readonly SearchValues<char> QuotedStops = SearchValues.Create("\"\r\n");

    /// <exception cref="TableException">While they are read: a quote is not closed, or a row is too long.</exception>
    public static IEnumerable<TableRow> Read(Characters characters)
    {
        var text = new StringBuilder();
        while (characters.Peek() != Characters.End)
        {
            if (ReadRow(characters, text) is { } row)
                yield return row;
        }
    }

    /// <returns>Null for a blank line.</returns>
    private static TableRow? ReadRow(Characters characters, StringBuilder text)
    {
        var line = characters.Line;
        var fields = new List<string>();
        var (isPlain, problem, length) = (true, (string?)null, 0);
        do
        {
            isPlain &= characters.Peek() != '"';
            fields.Add(ReadField(characters, text, ref length, ref problem));
        }
        while (characters.TryRead(','));
        characters.TryReadLineEnd();
        return isPlain && fields is [var only] && string.IsNullOrWhiteSpace(only)
            ? null
            : new(line, fields, problem);
    }

    /// <param name="length">Of the row's fields so far.</param>
    private static string ReadField(Characters characters, StringBuilder text, ref int length, ref string? problem)
    {
        text.Clear();
        var opened = characters.Line;
        if (characters.TryRead('"'))
        {
            ReadQuoted(characters, text, length, opened);
            var value = text.ToString();
            length += value.Length;
            text.Clear();
            ReadPlain(characters, text, length, opened);
            if (text.Length == 0 || string.IsNullOrWhiteSpace(text.ToString()))
                return value;
            if (characters.Line != opened)
            {
                throw new TableException(
                    $"Line {opened} opens a quote that line {characters.Line} closes within a field. "
                    + "Close it on its line, or double it if it is text.");
            }

            problem ??= "has text behind a closing quote; a quote that is text is doubled";
            return value + text;
        }

        ReadPlain(characters, text, length, opened);
        length += text.Length;
        return text.ToString();
    }

    private static void ReadQuoted(Characters characters, StringBuilder text, int length, long opened)
    {
        while (true)
        {
            characters.ReadUntil(QuotedStops, text);
            ThrowIfTooLong(length + text.Length, opened);
            var read = characters.Read();
            if (read == Characters.End)
            {
                throw new TableException(
                    $"Line {opened} opens a quote that nothing closes. Close it, or double it if it is text.");
            }

            if (read == '"' && !characters.TryRead('"'))
                return;
            text.Append((char)read);
        }
    }

    private static void ReadPlain(Characters characters, StringBuilder text, int length, long opened)
    {
        while (true)
        {
            characters.ReadUntil(PlainStops, text);
            ThrowIfTooLong(length + text.Length, opened);
            if (characters.Peek() != '\r' || characters.IsAtLineEnd())
                return;
            text.Append((char)characters.Read()); // A CR alone.
        }
    }

    private static void ThrowIfTooLong(int length, long opened)
    {
        if (length > LongestRow)
        {
            throw new TableException(
                $"The row with line {opened} has more than {LongestRow} characters. Is a quote not closed?");
        }
    }
}
