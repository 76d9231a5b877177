namespace Serving.Tables.Tests;

/// <summary>The slow, obvious twins of the readers: they have the whole text at once.</summary>
internal static class PlainReader
{
    public static List<string> Lines(string text, bool carriageReturnEnds)
    {
        text = text.Replace("\r\n", "\n", StringComparison.Ordinal);
        if (carriageReturnEnds)
            text = text.Replace('\r', '\n');
        if (text.EndsWith('\r'))
            text = text[..^1] + "\n";
        List<string> lines = [.. text.Split('\n')];
        if (lines[^1].Length == 0)
            lines.RemoveAt(lines.Count - 1);
        return lines;
    }

    public static List<string> Tsv(string text) =>
    [
        .. Lines(text, carriageReturnEnds: !text.Contains('\n', StringComparison.Ordinal)).Index()
            .Where(line => line.Item.Contains('\t', StringComparison.Ordinal) || line.Item.Trim().Length > 0)
            .Select(line => Rows.Shown(line.Index + 1, line.Item.Split('\t'), hasProblem: false))
    ];

    /// <returns>The rows, or <see cref="Rows.Refused"/>.</returns>
    public static List<string> Csv(string text)
    {
        var carriageReturnEnds = !OutsideQuotes(text).Contains('\n', StringComparison.Ordinal)
            && OutsideQuotes(text).Contains('\r', StringComparison.Ordinal);
        var rows = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var (begin, fields, isBad, isQuoted) = (at, new List<string>(), false, false);
            while (true)
            {
                var value = "";
                if (at < text.Length && text[at] == '"')
                {
                    isQuoted = true;
                    var close = at + 1;
                    while (close < text.Length && (text[close] != '"' || text[(close + 1)..].StartsWith('"')))
                        close += text[close] == '"' ? 2 : 1;
                    if (close >= text.Length)
                        return [Rows.Refused];
                    var inside = text[(at + 1)..close];
                    var end = PlainEnd(text, close + 1, carriageReturnEnds);
                    var behind = text[(close + 1)..end];
                    value = inside.Replace("\"\"", "\"", StringComparison.Ordinal);
                    if (behind.Trim().Length > 0)
                    {
                        if (LineEnds(inside, carriageReturnEnds) > 0)
                            return [Rows.Refused];
                        isBad = true;
                        value += behind;
                    }

                    at = end;
                }
                else
                {
                    var end = PlainEnd(text, at, carriageReturnEnds);
                    (value, at) = (text[at..end], end);
                }

                fields.Add(value);
                if (at == text.Length || text[at] != ',')
                    break;
                at++;
            }

            if (isQuoted || fields.Count > 1 || fields[0].Trim().Length > 0)
                rows.Add(Rows.Shown(1 + LineEnds(text[..begin], carriageReturnEnds), fields, isBad));
            at = text[at..].StartsWith("\r\n", StringComparison.Ordinal) ? at + 2 : at + 1;
        }

        return rows;
    }

    /// <summary>Where a field without quotes ends: at a comma or the end of its line.</summary>
    private static int PlainEnd(string text, int at, bool carriageReturnEnds)
    {
        while (at < text.Length && text[at] != ',' && text[at] != '\n'
            && !(text[at] == '\r' && (carriageReturnEnds || at + 1 == text.Length || text[at + 1] == '\n')))
            at++;
        return at;
    }

    private static int LineEnds(string text, bool carriageReturnEnds) => carriageReturnEnds
        ? text.Replace("\r\n", "\n", StringComparison.Ordinal).Count(character => character is '\r' or '\n')
        : text.Count(character => character == '\n');

    private static string OutsideQuotes(string text) =>
        string.Concat(text.Split('"').Where((_, part) => part % 2 == 0));
}
