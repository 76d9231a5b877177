using System.Buffers;
using System.Text;

namespace Serving.Tables;

/// <summary>The characters of a text, in UTF-8 or what its byte order mark says, and their lines.</summary>
/// <remarks>
/// LF ends a line, also behind a CR, and so does a CR at the end of the text. A CR alone is white space. Tables by old
/// programs have nothing but CRs between their rows: where the first block of a table has no LF, CRs end lines.
/// </remarks>
internal sealed class Characters : IDisposable
{
    public const int End = -1;

    private const int BlockLength = 1 << 16;

    /// <summary>Of bytes that begin a character, so that each more one could make two UTF-16 code units.</summary>
    private const int Slack = 4;

    private static readonly SearchValues<char> LineEnds = SearchValues.Create("\r\n");

    private readonly Stream _stream;
    private readonly Decoder _decoder;
    private readonly byte[] _bytes = new byte[BlockLength];
    private readonly char[] _block = new char[BlockLength + Slack];
    private readonly bool _carriageReturnEnds;
    private int _next;
    private int _end;
    private bool _isBehindCarriageReturn;

    private Characters(Stream stream, bool isTable, bool hasQuotes)
    {
        _stream = stream;
        var read = stream.ReadAtLeast(_bytes, minimumBytes: 3, throwOnEndOfStream: false);
        (_decoder, var mark) = DecoderOf(_bytes.AsSpan(0, read));
        _end = Decode(_bytes.AsSpan(mark, read - mark), isLast: false);
        if (!isTable)
            return;
        Fill(BlockLength);
        _carriageReturnEnds = HasOnlyCarriageReturns(_block.AsSpan(0, _end), hasQuotes);
    }

    /// <summary>From 1: that of the next character.</summary>
    public long Line { get; private set; } = 1;

    public static Characters OfLines(Stream stream) => new(stream, isTable: false, hasQuotes: false);

    /// <param name="hasQuotes">Whether line ends between double quotes are text.</param>
    public static Characters OfTable(Stream stream, bool hasQuotes) => new(stream, isTable: true, hasQuotes);

    /// <returns>The next character, which stays; or <see cref="End"/>.</returns>
    public int Peek() => Fill(1) ? _block[_next] : End;

    /// <returns>The next character, or <see cref="End"/>.</returns>
    public int Read()
    {
        var read = Peek();
        if (read == End)
            return End;
        _next++;
        var isNew = read == '\n' ? !_isBehindCarriageReturn : read == '\r' && _carriageReturnEnds;
        if (isNew)
            Line++;
        _isBehindCarriageReturn = read == '\r' && _carriageReturnEnds;
        return read;
    }

    /// <summary>Reads a character if it is the next one.</summary>
    public bool TryRead(char wanted)
    {
        if (Peek() != wanted)
            return false;
        Read();
        return true;
    }

    /// <summary>Whether the end of a line is next.</summary>
    public bool IsAtLineEnd() =>
        Peek() == '\n' || (Peek() == '\r' && (_carriageReturnEnds || !Fill(2) || _block[_next + 1] == '\n'));

    /// <summary>Reads the end of a line if it is next.</summary>
    public bool TryReadLineEnd()
    {
        if (!IsAtLineEnd())
            return false;
        if (Read() == '\r')
            TryRead('\n');
        return true;
    }

    /// <summary>Appends what comes before the first of some characters, or the end.</summary>
    /// <param name="stops">CR and LF are among them.</param>
    public void ReadUntil(SearchValues<char> stops, StringBuilder text)
    {
        while (Fill(1))
        {
            var rest = _block.AsSpan(_next, _end - _next);
            var stop = rest.IndexOfAny(stops);
            var taken = stop < 0 ? rest : rest[..stop];
            text.Append(taken);
            _next += taken.Length;
            _isBehindCarriageReturn &= taken.Length == 0;
            if (stop >= 0)
                return;
        }
    }

    /// <returns>What is left of the line, whose end is read, too; null behind the last line.</returns>
    public string? ReadLine(StringBuilder text)
    {
        if (Peek() == End)
            return null;
        text.Clear();
        while (Peek() != End)
        {
            ReadUntil(LineEnds, text);
            if (TryReadLineEnd())
                break;
            if (Peek() != End)
                text.Append((char)Read()); // A CR alone.
        }

        return text.ToString();
    }

    public void Dispose() => _stream.Dispose();

    /// <returns>Also the length of the byte order mark.</returns>
    private static (Decoder Decoder, int Mark) DecoderOf(ReadOnlySpan<byte> beginning)
    {
        foreach (var encoding in (Encoding[])[Encoding.UTF8, Encoding.Unicode, Encoding.BigEndianUnicode])
        {
            if (beginning.StartsWith(encoding.Preamble))
                return (Strict(encoding), encoding.Preamble.Length);
        }

        return (Strict(Encoding.UTF8), 0);

        static Decoder Strict(Encoding encoding) => Encoding.GetEncoding(
            encoding.CodePage, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback).GetDecoder();
    }

    private static bool HasOnlyCarriageReturns(ReadOnlySpan<char> block, bool hasQuotes)
    {
        var (isQuoted, hasReturn) = (false, false);
        foreach (var character in block)
        {
            isQuoted ^= hasQuotes && character == '"';
            if (!isQuoted && character == '\n')
                return false;
            hasReturn |= !isQuoted && character == '\r';
        }

        return hasReturn;
    }

    /// <summary>Reads on until the block has some characters.</summary>
    /// <returns>Whether it has.</returns>
    private bool Fill(int count)
    {
        if (_end - _next >= count)
            return true;
        _block.AsSpan(_next, _end - _next).CopyTo(_block);
        (_next, _end) = (0, _end - _next);
        while (_end < count)
        {
            var read = _stream.Read(_bytes, 0, Math.Min(_bytes.Length, _block.Length - Slack - _end));
            _end += Decode(_bytes.AsSpan(0, read), isLast: read == 0);
            if (read == 0)
                break;
        }

        return _end >= count;
    }

    /// <returns>How many UTF-16 code units came behind the block's.</returns>
    private int Decode(ReadOnlySpan<byte> bytes, bool isLast)
    {
        try
        {
            return _decoder.GetChars(bytes, _block.AsSpan(_end), flush: isLast);
        }
        catch (DecoderFallbackException exception)
        {
            throw new TableException("It is not UTF-8; convert the file, for example with iconv.", exception);
        }
    }
}
