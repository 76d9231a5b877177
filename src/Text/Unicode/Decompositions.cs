using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Serving.Text.Unicode;

/// <summary>Canonical decomposition without nonspacing marks: what "strip accents" leaves of a character.</summary>
/// <remarks>
/// A table of our own, because the runtime normalizes only with ICU installed, and the product must not give other
/// tokens where it is not. The script beside the table makes it.
/// </remarks>
internal static class Decompositions
{
    private const int FirstSyllable = 0xAC00;
    private const int LastSyllable = 0xD7A3;
    private const int FirstLeading = 0x1100;
    private const int FirstVowel = 0x1161;
    private const int BeforeFirstTrailing = 0x11A7;
    private const int VowelCount = 21;
    private const int TrailingCount = 28;

    private static readonly FrozenDictionary<int, Rune[]> Table = Load();

    /// <summary>Appends what is left of a character; nothing for a nonspacing mark.</summary>
    public static void Append(Rune rune, List<Rune> output)
    {
        if (rune.IsAscii)
            output.Add(rune);
        else if (rune.Value is >= FirstSyllable and <= LastSyllable)
            AppendHangul(rune.Value - FirstSyllable, output);
        else if (Table.TryGetValue(rune.Value, out var rest))
            output.AddRange(rest);
        else if (Rune.GetUnicodeCategory(rune) != UnicodeCategory.NonSpacingMark)
            output.Add(rune);
    }

    /// <summary>Syllables are composed by arithmetic (Unicode Standard, sec. 3.12).</summary>
    private static void AppendHangul(int syllable, List<Rune> output)
    {
        output.Add(new(FirstLeading + (syllable / (VowelCount * TrailingCount))));
        output.Add(new(FirstVowel + (syllable / TrailingCount % VowelCount)));
        if (syllable % TrailingCount != 0)
            output.Add(new(BeforeFirstTrailing + (syllable % TrailingCount)));
    }

    private static FrozenDictionary<int, Rune[]> Load()
    {
        var table = new Dictionary<int, Rune[]>();
        using var stream = typeof(Decompositions).Assembly.GetManifestResourceStream("decompositions.txt")!;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#'))
                continue;
            int[] codes = [.. line.Split(' ').Select(code => int.Parse(code, NumberStyles.HexNumber))];
            table[codes[0]] = [.. codes[1..].Select(code => new Rune(code))];
        }

        return table.ToFrozenDictionary();
    }
}
