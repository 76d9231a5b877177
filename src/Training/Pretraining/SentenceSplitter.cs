namespace Serving.Training.Pretraining;

/// <summary>Finds where sentences end, by marks and a short list of abbreviations.</summary>
/// <remarks>
/// A run of '.', '!' and '?' ends a sentence, with the quotes and brackets behind it, where white space follows; unless
/// a lowercase letter comes next, or the word before is a known abbreviation or a single letter. A mark that stands
/// alone between white space, as in tokenized text, always does; so does a line's end.
/// </remarks>
public static class SentenceSplitter
{
    private static readonly HashSet<string> Abbreviations = new(
        [
            "mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "e.g", "i.e", "etc", "vol", "inc", "co", "corp",
            "gen", "col", "lt", "sgt", "rep", "sen", "gov", "u.s"
        ],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>The offset behind each sentence's last character, ascending; the last is the text's length.</summary>
    public static IEnumerable<int> Ends(string text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '\n')
            {
                if (at + 1 < text.Length)
                    yield return at + 1;
                continue;
            }

            if (!IsMark(text[at]))
                continue;
            var first = at;
            while (at + 1 < text.Length && (IsMark(text[at + 1]) || IsCloser(text[at + 1])))
                at++;
            var next = at + 1;
            while (next < text.Length && char.IsWhiteSpace(text[next]) && text[next] != '\n')
                next++;
            if (next < text.Length && next > at + 1 && text[next] != '\n' && IsEnd(text, first, next))
                yield return at + 1;
        }

        if (text.Length > 0)
            yield return text.Length;
    }

    private static bool IsMark(char character) => character is '.' or '!' or '?';

    private static bool IsCloser(char character) => character is '"' or '\'' or ')' or ']' or '\u201D' or '\u2019';

    private static bool IsEnd(string text, int mark, int next)
    {
        if (mark > 0 && char.IsWhiteSpace(text[mark - 1]))
            return true;
        if (char.IsLower(text[next]))
            return false;
        var start = mark;
        while (start > 0 && (char.IsLetter(text[start - 1]) || text[start - 1] == '.'))
            start--;
        var isDot = text[mark] == '.';
        var length = mark - start;
        return !isDot || !(length == 1 || Abbreviations.Contains(text[start..mark]));
    }
}
