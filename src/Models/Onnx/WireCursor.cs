namespace Serving.Models.Onnx;

/// <summary>Steps through the fields of a protobuf message without copying them.</summary>
/// <remarks>
/// Google.Protobuf copies what it parses, and a model's weights are to stay in the mapped file. Fields that are small
/// are given to it.
/// </remarks>
/// <param name="file">At most 2 GiB.</param>
/// <param name="start">Where the message begins.</param>
/// <param name="end">Where it ends.</param>
internal ref struct WireCursor(ReadOnlySpan<byte> file, int start, int end)
{
    private readonly ReadOnlySpan<byte> _file = file;
    private readonly int _end = end;
    private int _at = start;

    /// <summary>The present field's number.</summary>
    public int Field { get; private set; }

    /// <summary>Where the value of a field with a length begins.</summary>
    public int Start { get; private set; }

    /// <summary>How many bytes it has; 0 for numbers.</summary>
    public int Length { get; private set; }

    /// <summary>Where the present field ends.</summary>
    public readonly int End => _at;

    public readonly ReadOnlySpan<byte> Value => _file.Slice(Start, Length);

    /// <summary>A cursor over the present field, which is a message.</summary>
    public readonly WireCursor Enter() => new(_file, Start, Start + Length);

    /// <returns>false at the end of the message.</returns>
    /// <exception cref="InvalidDataException">The message is damaged.</exception>
    public bool MoveNext()
    {
        if (_at == _end)
            return false;
        var tag = ReadVarint();
        Field = tag >> 3 is > 0 and <= int.MaxValue >> 2 ? (int)(tag >> 3) : throw Damaged();
        Length = 0;
        Start = _at;
        switch (tag & 7)
        {
            case 0:
                ReadVarint();
                break;
            case 1:
                Skip(sizeof(ulong));
                break;
            case 2:
                var length = ReadVarint();
                Start = _at;
                Skip(length);
                Length = (int)length;
                break;
            case 5:
                Skip(sizeof(uint));
                break;
            default:
                throw Damaged();
        }

        return true;
    }

    private void Skip(ulong bytes)
    {
        if (bytes > (ulong)(_end - _at))
            throw Damaged();
        _at += (int)bytes;
    }

    private ulong ReadVarint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            if (_at == _end)
                break;
            var part = _file[_at++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
                return value;
        }

        throw Damaged();
    }

    private readonly InvalidDataException Damaged() => new($"a field at byte {_at} ends nowhere or can't be");
}
