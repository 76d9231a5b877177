using System.Globalization;
using System.Text;

namespace Serving.Text.Unicode;

/// <summary>Classes of characters as BERT's reference tokenizer defines them.</summary>
internal static class CharacterClasses
{
    /// <summary>What separates words, the separators of lines and paragraphs among it.</summary>
    public static bool IsWhitespace(Rune rune) =>
        rune.Value is '\t' or '\n' or '\r'
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.SpaceSeparator
            or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator;

    /// <summary>Control and format characters; tab and line ends are whitespace instead.</summary>
    public static bool IsControl(Rune rune) =>
        rune.Value is not ('\t' or '\n' or '\r')
        && Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format;

    /// <summary>Unicode punctuation, and ASCII except letters, digits, spaces and controls, like "$" and "^".</summary>
    public static bool IsPunctuation(Rune rune) =>
        rune.IsAscii
            ? rune.Value is >= 33 and <= 47 or >= 58 and <= 64 or >= 91 and <= 96 or >= 123 and <= 126
            : Rune.IsPunctuation(rune);

    /// <summary>The blocks of CJK ideographs, which are words of their own; not kana or Hangul.</summary>
    public static bool IsIdeograph(Rune rune) => rune.Value is
        >= 0x4E00 and <= 0x9FFF
        or >= 0x3400 and <= 0x4DBF
        or >= 0x20000 and <= 0x2A6DF
        or >= 0x2A700 and <= 0x2B73F
        or >= 0x2B740 and <= 0x2B81F
        or >= 0x2B820 and <= 0x2CEAF
        or >= 0xF900 and <= 0xFAFF
        or >= 0x2F800 and <= 0x2FA1F;
}
