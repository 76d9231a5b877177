namespace Serving.Text.Bpe;

/// <summary>GPT-2's printable stand-ins for the 256 bytes, in which its vocabulary is written.</summary>
/// <remarks>
/// Radford et al. 2019, sec. 2.2, released code: printable Latin-1 maps to itself, the rest to U+0100 on.
/// </remarks>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly Dictionary<char, byte> Bytes =
        Enumerable.Range(0, 256).ToDictionary(value => Characters[value], value => (byte)value);

    public static char ToCharacter(byte value) => Characters[value];

    public static string ToText(ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length];
        for (var i = 0; i < text.Length; i++)
            text[i] = Characters[bytes[i]];
        return new(text);
    }

    public static bool TryToByte(char character, out byte value) => Bytes.TryGetValue(character, out value);

    private static char[] Build()
    {
        var characters = new char[256];
        var next = (char)256;
        for (var value = 0; value < 256; value++)
        {
            var isPrintable = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[value] = isPrintable ? (char)value : next++;
        }

        return characters;
    }
}
