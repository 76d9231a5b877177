using System.Globalization;
using System.Text;
using Serving.Text.Unicode;

namespace Serving.Text.Bert;

/// <summary>Splits text into words as BERT does: cleans, isolates ideographs and punctuation, folds case.</summary>
/// <remarks>Devlin et al. 2019, the released tokenization code. Folding case also strips accents.</remarks>
internal sealed class BasicTokenizer(bool lowercase)
{
    private const int CapitalSigma = 0x03A3;
    private const int FinalSigma = 0x03C2;
    private const int CapitalDottedI = 0x0130;

    /// <summary>Appends the words of a text.</summary>
    public void Run(ReadOnlySpan<char> text, NormalizedText output)
    {
        var word = output.Length;
        var rest = new List<Rune>(4);
        for (var at = 0; at < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text[at..], out var rune, out var length) != System.Buffers.OperationStatus.Done)
                rune = Rune.ReplacementChar;
            var source = new TextSpan(at, at + length);
            at += length;
            if (rune.Value == 0 || rune == Rune.ReplacementChar || CharacterClasses.IsControl(rune))
                continue;
            if (CharacterClasses.IsWhitespace(rune))
            {
                output.EndWord(word);
                word = output.Length;
                continue;
            }

            rest.Clear();
            if (lowercase)
                Decompositions.Append(ToLower(rune, text, source), rest);
            else
                rest.Add(rune);

            var isIdeograph = CharacterClasses.IsIdeograph(rune);
            foreach (var character in rest)
            {
                var isAlone = isIdeograph || CharacterClasses.IsPunctuation(character);
                if (isAlone)
                    output.EndWord(word);
                word = isAlone ? output.Length : word;
                output.Append(character, source);
                if (!isAlone)
                    continue;
                output.EndWord(word);
                word = output.Length;
            }
        }

        output.EndWord(word);
    }

    private static Rune ToLower(Rune rune, ReadOnlySpan<char> text, TextSpan at) => rune.Value switch
    {
        CapitalDottedI => new('i'), // Its lower case is i and a dot above, which goes with the accents.
        CapitalSigma when EndsWord(text, at) => new(FinalSigma),
        _ => Rune.ToLowerInvariant(rune)
    };

    /// <summary>Unicode's condition Final_Sigma: a cased letter before and none behind, apart from marks.</summary>
    private static bool EndsWord(ReadOnlySpan<char> text, TextSpan at)
    {
        var before = text[..at.Start];
        var isInWord = false;
        while (Rune.DecodeLastFromUtf16(before, out var rune, out var length) == System.Buffers.OperationStatus.Done)
        {
            isInWord = IsCased(rune);
            if (!IsIgnorable(rune))
                break;
            before = before[..^length];
        }

        if (!isInWord)
            return false;
        var behind = text[at.End..];
        while (Rune.DecodeFromUtf16(behind, out var rune, out var length) == System.Buffers.OperationStatus.Done)
        {
            if (!IsIgnorable(rune))
                return !IsCased(rune);
            behind = behind[length..];
        }

        return true;
    }

    private static bool IsCased(Rune rune) => Rune.GetUnicodeCategory(rune)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter;

    private static bool IsIgnorable(Rune rune) => rune.Value is '\'' or '.' or ':' or 0xB7 or 0x2019
        || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark
            or UnicodeCategory.EnclosingMark
            or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter
            or UnicodeCategory.ModifierSymbol;
}
