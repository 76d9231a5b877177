using System.IO.Compression;

namespace Serving.Training.Data;

/// <summary>What a gzip file holds (RFC 1952), all its members; one that ends early is refused at its end.</summary>
/// <remarks>
/// <see cref="GZipStream"/> ends without a word where its input ends, be that in the middle of a member. Behind its end
/// it is given one more member: only if the file ends with a whole one does exactly that come out.
/// </remarks>
internal sealed class GzipFile : ReadOnlyStream
{
    private static readonly byte[] Mark = [.. "end of file"u8];
    private static readonly byte[] MarkMember = Zipped(Mark);

    private readonly Source _source;
    private readonly GZipStream _contents;
    private bool _isOver;

    /// <param name="file">Closed with this.</param>
    public GzipFile(Stream file)
    {
        _source = new(file);
        _contents = new(_source, CompressionMode.Decompress);
    }

    /// <exception cref="DatasetException">It ends early, or is damaged.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_isOver || buffer.IsEmpty)
            return 0;
        try
        {
            var read = _contents.Read(buffer);
            if (read > 0)
                return read;
        }
        catch (InvalidDataException exception)
        {
            throw new DatasetException("It begins like gzip, but can't be unzipped.", exception);
        }

        ThrowUnlessWhole();
        _isOver = true;
        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _contents.Dispose();
        base.Dispose(disposing);
    }

    private void ThrowUnlessWhole()
    {
        _source.GoOnWith(MarkMember);
        Span<byte> behind = stackalloc byte[Mark.Length + 1];
        var read = 0;
        InvalidDataException? damage = null;
        try
        {
            read = _contents.ReadAtLeast(behind, behind.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException exception)
        {
            damage = exception;
        }

        if (damage is not null || !behind[..read].SequenceEqual(Mark))
        {
            throw new DatasetException(
                "The gzip file ends early, or has something else behind its end. Send the whole file.", damage);
        }
    }

    private static byte[] Zipped(byte[] bytes)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return zipped.ToArray();
    }

    /// <summary>A file, and what is put behind it once its end was seen.</summary>
    private sealed class Source : ReadOnlyStream
    {
        private readonly Stream _file;
        private Stream _current;

        public Source(Stream file) => (_file, _current) = (file, file);

        public void GoOnWith(byte[] bytes) => _current = new MemoryStream(bytes, writable: false);

        public override int Read(Span<byte> buffer) => _current.Read(buffer);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _file.Dispose();
            base.Dispose(disposing);
        }
    }
}
