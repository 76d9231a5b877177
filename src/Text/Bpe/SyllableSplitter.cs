using System.Text.RegularExpressions;

namespace Serving.Text.Bpe;

/// <summary>Splits English words into syllables by rules; other text stays as it is.</summary>
/// <remarks>
/// A syllable has one nucleus, a group of vowels; y is one unless a vowel follows. The consonants between two nuclei go
/// with the second as far as words can begin with them (maximal onset), the rest with the first. A final e behind a
/// consonant is silent, but for -ble, -tle and the like. As one pattern, so that tokenizer.json can say it: Hugging
/// Face's tokenizers split a word in the same way. It spells both cases, since libraries differ in which letters are
/// cases of one.
/// </remarks>
internal static partial class SyllableSplitter
{
    /// <summary>A syllable of a word, with the space before it.</summary>
    public const string Pattern = BeforeSecond + Letter + BeforeLast + Letter + BehindLast + Letter + End;

    private const string Letter = @"\p{L}";

    /// <summary>The same in UTF-16, where a surrogate within a word is half of a letter.</summary>
    private const string OwnLetter = @"[\p{L}\p{Cs}]";

    private const string OwnPattern =
        BeforeSecond + OwnLetter + BeforeLast + OwnLetter + BehindLast + OwnLetter + End;

    private const string Vowel = "[aeiouAEIOU]";
    private const string VowelY = "[yY](?!" + Vowel + ")";
    private const string Consonant = "[b-df-hj-np-tv-xzB-DF-HJ-NP-TV-XZ]|[yY](?=" + Vowel + ")";

    private const string Onset =
        "[sS](?:[cC][hHrR]|[hH][rR]|[pP][hHlLrR]|[qQ][uU]|[tT][rR])|[cC][hH][rR]|[pP][hH][lLrR]|[tT][hH][rRwW]"
        + "|[bBfF][lLrR]|[cC][hHlLrR]|[dD][rRwW]|[gG][hHlLnNrR]|[kK][lLnNrR]|[pP][hHlLrRsS]|[qQ][uU]|[rR][hH]"
        + "|[sS][cChHkKlLmMnNpPtTwW]|[tT][hHrRwW]|[wW][hHrR]|" + Consonant;

    // Onset and nucleus; then consonants, until those begin that the next nucleus takes; then a silent e.
    private const string BeforeSecond =
        " ?(?:" + Consonant + ")*(?:" + Vowel + "|" + VowelY + ")+(?:(?!(?:" + Onset + ")(?:[aiouAIOU]|" + VowelY
        + "|[eE](?=";

    private const string BeforeLast = "))|[bcdfgkpstzBCDFGKPSTZ][lL][eE](?!";
    private const string BehindLast = "))(?:" + Consonant + "))*(?:[eE](?!";
    private const string End = "))?";

    /// <summary>The pieces of a word, which are all of it.</summary>
    public static IEnumerable<string> Split(string word)
    {
        var end = 0;
        foreach (var match in Syllable().Matches(word).Cast<Match>())
        {
            if (match.Index > end)
                yield return word[end..match.Index];
            yield return match.Value;
            end = match.Index + match.Length;
        }

        if (end < word.Length)
            yield return word[end..];
    }

    [GeneratedRegex(OwnPattern, RegexOptions.CultureInvariant)]
    private static partial Regex Syllable();
}
