using System.Buffers;
using System.Text;

namespace Serving.Text.Bpe;

/// <summary>Splits text where GPT-2 never merges across.</summary>
/// <remarks>
/// What <see cref="Pattern"/> matches, written by hand, because .NET's patterns see half surrogates where characters
/// lie above U+FFFF.
/// </remarks>
internal static class WordSplitter
{
    /// <summary>The released pattern.</summary>
    public const string Pattern =
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private enum Kind
    {
        End,
        Space,
        Letter,
        Number,
        Other
    }

    /// <summary>Length of the first word of a text that is not empty, in UTF-16 code units.</summary>
    public static int FirstWord(ReadOnlySpan<char> text)
    {
        if (Contraction(text) is var contraction and > 0)
            return contraction;
        var first = KindAt(text, 0, out _);
        if (first == Kind.Space)
        {
            var spaces = RunLength(text, 0, Kind.Space);
            if (spaces == text.Length)
                return spaces;

            // The last space goes with the word behind it, if it is U+0020; another stays alone.
            if (spaces > 1)
                return spaces - 1; // All spaces lie below U+10000, so the last is one code unit.
            if (text[0] != ' ')
                return 1;
            return 1 + RunLength(text, 1, KindAt(text, 1, out _));
        }

        return RunLength(text, 0, first);
    }

    private static int Contraction(ReadOnlySpan<char> text)
    {
        if (text.Length < 2 || text[0] != '\'')
            return 0;
        if (text.Length > 2 && text[1..3] is "re" or "ve" or "ll")
            return 3;
        return text[1] is 's' or 't' or 'm' or 'd' ? 2 : 0;
    }

    private static int RunLength(ReadOnlySpan<char> text, int start, Kind kind)
    {
        var at = start;
        while (KindAt(text, at, out var length) == kind && kind != Kind.End)
            at += length;
        return at - start;
    }

    private static Kind KindAt(ReadOnlySpan<char> text, int at, out int length)
    {
        length = 0;
        if (at >= text.Length)
            return Kind.End;
        if (Rune.DecodeFromUtf16(text[at..], out var rune, out length) != OperationStatus.Done)
            return Kind.Other;
        if (Rune.IsWhiteSpace(rune))
            return Kind.Space;
        if (Rune.IsLetter(rune))
            return Kind.Letter;
        return Rune.IsNumber(rune) ? Kind.Number : Kind.Other;
    }
}
