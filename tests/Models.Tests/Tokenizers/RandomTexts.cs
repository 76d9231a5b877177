using System.Text;

namespace Serving.Models.Tests.Tokenizers;

/// <summary>Texts of everything that people write, and of what they don't; a seed gives the same ones.</summary>
internal sealed class RandomTexts(int seed, IReadOnlyList<string> words)
{
    /// <summary>Blocks, by their first and last characters, that all versions of Unicode agree on.</summary>
    private static readonly (int First, int Last)[] Blocks =
    [
        (0x21, 0x7E), (0xA1, 0xFF), (0x100, 0x17F), (0x1E00, 0x1E95), (0x300, 0x333), (0x391, 0x3A1),
        (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x627, 0x63A), (0x905, 0x939), (0x93E, 0x94C),
        (0xE01, 0xE30), (0x2010, 0x2027), (0x2030, 0x2044), (0x20A0, 0x20B5), (0x2190, 0x21FF),
        (0x2200, 0x22FF), (0x2460, 0x24EA), (0x3041, 0x3094), (0x30A1, 0x30FA), (0x3400, 0x4DB5),
        (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xF900, 0xFA2D), (0xFF01, 0xFF5E), (0x1F600, 0x1F64F),
        (0x1F300, 0x1F320), (0x20000, 0x2A6D6), (0x2F800, 0x2FA1D), (0x1D400, 0x1D454)
    ];

    private static readonly string[] Separators =
    [
        " ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\r", "\u00A0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202F",
        "\u3000", "", "", "\u200B", "\u00AD", "\uFEFF", "\u0007", "\0", "\uFFFD", "\u0085", "\u200D"
    ];

    private readonly Random _random = new(seed);

    public string Next()
    {
        var text = new StringBuilder();
        for (var parts = _random.Next(1, 12); parts > 0; parts--)
            text.Append(Part()).Append(Separators[_random.Next(Separators.Length)]);
        return text.Replace('Σ', 'σ').ToString(); // Hugging Face knows no final sigma.
    }

    private string Part() => _random.Next(10) switch
    {
        < 4 => Cased(Word()),
        4 => Word() + Word() + Character(),
        5 => new string((char)('a' + _random.Next(26)), _random.Next(1, 130)),
        6 => $"{_random.Next(100000)}{"%.,:€"[_random.Next(5)]}{_random.Next(100)}",
        7 => Character() + Word() + Character(),
        _ => string.Concat(Enumerable.Range(0, _random.Next(1, 8)).Select(_ => Character()))
    };

    private string Word() => words[_random.Next(words.Count)].Replace("##", "", StringComparison.Ordinal);

    private string Cased(string word) => _random.Next(3) switch
    {
        0 => word,
        1 => word.ToUpperInvariant(),
        _ => word[..1].ToUpperInvariant() + word[1..]
    };

    private string Character()
    {
        var (first, last) = Blocks[_random.Next(Blocks.Length)];
        return new Rune(_random.Next(first, last + 1)).ToString();
    }
}
