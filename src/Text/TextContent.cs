using System.Globalization;
using System.Text;
using Serving.Text.Unicode;

namespace Serving.Text;

/// <summary>Whether there is something to read in a text.</summary>
public static class TextContent
{
    /// <summary>
    /// Whether a text has a character that every tokenizer keeps: one that is no white space, no control or format
    /// character (among them those of no width), no replacement character and no mark on another.
    /// </summary>
    public static bool HasWords(ReadOnlySpan<char> text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value != 0 && rune != Rune.ReplacementChar
                && !CharacterClasses.IsWhitespace(rune) && !CharacterClasses.IsControl(rune)
                && Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark
                    or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator))
                return true;
        }

        return false;
    }
}
