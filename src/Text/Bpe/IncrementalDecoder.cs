using System.Text;

namespace Serving.Text.Bpe;

/// <summary>The text of tokens that come one after another: a character appears when its last byte is there.</summary>
/// <remarks>All that it gives, put together, is what <see cref="BpeTokenizer.Decode"/> gives for all tokens.</remarks>
public sealed class IncrementalDecoder(BpeTokenizer tokenizer)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>Whether the last token ended within a character, which has not appeared.</summary>
    public bool IsInsideCharacter => _decoder.GetCharCount([], flush: true) > 0;

    /// <summary>The text that a token completes, which may be none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Append(int id) => Decode(tokenizer.DecodeToken(id), isLast: false);

    /// <summary>What is left at the end: U+FFFD if a character lacks bytes. Another text can begin then.</summary>
    public string Finish() => Decode([], isLast: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool isLast)
    {
        Span<char> characters = stackalloc char[256];
        var text = "";
        while (true)
        {
            _decoder.Convert(bytes, characters, isLast, out var used, out var written, out var isDone);
            text += characters[..written].ToString();
            if (isDone)
                return text;
            bytes = bytes[used..];
        }
    }
}
