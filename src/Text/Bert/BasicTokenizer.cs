using System.Globalization;
using System.Text;
using Serving.Text.Unicode;

namespace Serving.Text.Bert;

/// <summary>Splits text into words as BERT does: cleans, isolates ideographs and punctuation, folds case.</summary>
/// <remarks>Devlin et al. 2019, the released tokenization code; its options are Hugging Face's.</remarks>
internal sealed class BasicTokenizer(BertTokenizerOptions options)
{
    private const int CapitalSigma = 0x03A3;
    private const int FinalSigma = 0x03C2;
    private const int CapitalDottedI = 0x0130;

    private static readonly Rune DotAbove = new(0x0307);

    private readonly bool _lowercase = options.Lowercase;
    private readonly bool _stripAccents = options.StripsAccents;
    private readonly bool _splitIdeographs = options.SplitIdeographs;

    /// <summary>Appends the words of a text.</summary>
    /// <param name="offset">Where it begins in what it is a part of, in UTF-16 code units.</param>
    public void Run(ReadOnlySpan<char> text, NormalizedText output, int offset = 0)
    {
        var word = output.Length;
        var rest = new List<Rune>(4);
        for (var at = 0; at < text.Length;)
        {
            if (Rune.DecodeFromUtf16(text[at..], out var rune, out var length) != System.Buffers.OperationStatus.Done)
                rune = Rune.ReplacementChar;
            var place = new TextSpan(at, at + length);
            var source = new TextSpan(offset + at, offset + at + length);
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
            Fold(_lowercase ? ToLower(rune, text, place) : rune, rest);
            if (_lowercase && !_stripAccents && rune.Value == CapitalDottedI)
                rest.Add(DotAbove);

            var isIdeograph = _splitIdeographs && CharacterClasses.IsIdeograph(rune);
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

    private void Fold(Rune rune, List<Rune> output)
    {
        if (_stripAccents)
            Decompositions.Append(rune, output);
        else
            output.Add(rune);
    }

    private static Rune ToLower(Rune rune, ReadOnlySpan<char> text, TextSpan at) => rune.Value switch
    {
        CapitalDottedI => new('i'), // Its lower case is i and a dot above.
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
