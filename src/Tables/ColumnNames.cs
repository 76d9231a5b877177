using System.Globalization;
using System.Text;

namespace Serving.Tables;

/// <summary>Names of columns in messages.</summary>
public static class ColumnNames
{
    /// <summary>"text, 'label ', 'note\u000D'": what can't be seen is quoted and escaped.</summary>
    public static string Listed(IEnumerable<string> names) => string.Join(", ", names.Select(Shown));

    private static string Shown(string name)
    {
        var shown = new StringBuilder();
        foreach (var character in name)
        {
            if (char.GetUnicodeCategory(character) is UnicodeCategory.Control or UnicodeCategory.Format
                || (char.IsWhiteSpace(character) && character != ' '))
                shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}");
            else
                shown.Append(character);
        }

        return shown.Length != name.Length || name.Trim().Length != name.Length || name.Length == 0
            ? $"'{shown}'"
            : name;
    }
}
