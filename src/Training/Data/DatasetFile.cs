using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Serving.Training.Data;

/// <summary>A file of examples as bytes: plain or gzipped, in UTF-8.</summary>
internal static class DatasetFile
{
    private const int LongestLine = 16 << 20;
    private const byte GzipFirst = 0x1F;
    private const byte GzipSecond = 0x8B;

    private static readonly byte[] LfsPointer = [.. "version https://git-lfs.github.com/spec/"u8];

    /// <summary>How files begin that are no text, with what to do about them.</summary>
    private static readonly (byte[] Beginning, string Problem)[] Others =
    [
        ([0x50, 0x4B, 0x03, 0x04], "It is a ZIP archive or an Excel workbook; unzip it, or save it as .csv."),
        ([0x42, 0x5A, 0x68], "It is compressed by bzip2; only gzip is unzipped here. Send it unzipped, or gzipped."),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "It is compressed by xz; only gzip is unzipped here. Send it unzipped."),
        ([0x28, 0xB5, 0x2F, 0xFD], "It is compressed by zstd; only gzip is unzipped here. Send it unzipped."),
        ([0x50, 0x41, 0x52, 0x31], "It is Parquet; convert it to .csv or .jsonl."),
        ([GzipFirst, GzipSecond], "It is gzipped twice; unzip it once.")
    ];

    /// <summary>Opens a file, unzipped if it is gzip.</summary>
    public static Stream Open(string path)
    {
        var file = File.OpenRead(path);
        var isGzip = file.ReadByte() == GzipFirst && file.ReadByte() == GzipSecond;
        file.Position = 0;
        return isGzip ? new GzipFile(file) : file;
    }

    /// <summary>Checks sizes and UTF-8, and that gzip is whole, before anything is read into memory.</summary>
    /// <exception cref="DatasetException">It is too large, no UTF-8, or can't be unzipped.</exception>
    public static void ThrowUnlessSound(string path, long mostBytes)
    {
        using var stream = Open(path);
        var buffer = new byte[1 << 20];
        var (line, kept, total, ofLine) = (1L, 0, 0L, 0L);
        byte[]? beginning = null;
        while (true)
        {
            var read = stream.ReadAtLeast(
                buffer.AsSpan(kept), beginning is null ? LfsPointer.Length : 1, throwOnEndOfStream: false);
            total += read;
            if (total > mostBytes)
                throw new DatasetTooLargeException($"The file has more than {mostBytes} bytes; cut it into several.");
            var bytes = buffer.AsSpan(0, kept + read);
            beginning ??= bytes[..Math.Min(LfsPointer.Length, bytes.Length)].ToArray();
            var end = read == 0 ? bytes.Length : WholeCharacters(bytes);
            if (!Utf8.IsValid(bytes[..end]))
            {
                if (Array.Find(Others, other => beginning.AsSpan().StartsWith(other.Beginning)).Problem is { } problem)
                    throw new DatasetException(problem);
                var valid = FirstInvalid(bytes[..end]);
                throw new DatasetException(
                    $"Line {line + bytes[..valid].Count((byte)'\n')} is not UTF-8. "
                    + "Convert the file, for example with iconv.");
            }

            line += bytes[..end].Count((byte)'\n');
            var last = bytes[..end].LastIndexOf((byte)'\n');
            ofLine = last < 0 ? ofLine + end : end - last - 1;
            if (ofLine > LongestLine)
                throw new DatasetTooLargeException($"Line {line} has more than {LongestLine} bytes; a row is a line.");
            bytes[end..].CopyTo(buffer);
            kept = bytes.Length - end;
            if (read != 0)
                continue;
            if (beginning.AsSpan().SequenceEqual(LfsPointer))
            {
                throw new DatasetException(
                    "It is a pointer of Git LFS in place of the file: run git lfs pull, and send the file.");
            }

            return;
        }
    }

    /// <summary>Bytes up to the beginning of the last character, which may be cut off.</summary>
    private static int WholeCharacters(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.Length;
        for (var back = 1; back <= Math.Min(4, end); back++)
        {
            if ((bytes[^back] & 0xC0) != 0x80) // The first byte of a character.
                return end - back;
        }

        return end;
    }

    private static int FirstInvalid(ReadOnlySpan<byte> bytes)
    {
        var at = 0;
        while (at < bytes.Length && Rune.DecodeFromUtf8(bytes[at..], out _, out var length) == OperationStatus.Done)
            at += length;
        return at;
    }
}
