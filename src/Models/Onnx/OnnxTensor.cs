using System.Buffers.Binary;
using Serving.Models.Onnx.Messages;

namespace Serving.Models.Onnx;

/// <summary>A constant of a graph; its values stay in the file.</summary>
internal sealed class OnnxTensor
{
    private readonly OnnxFile _file;
    private readonly TensorProto _header;
    private readonly int _rawStart;
    private readonly int _rawBytes;

    /// <param name="header">Everything but the raw values.</param>
    /// <exception cref="ModelFileException">Its values are elsewhere, or not as many as its shape needs.</exception>
    public OnnxTensor(OnnxFile file, TensorProto header, int rawStart, int rawBytes)
    {
        _file = file;
        _header = header;
        _rawStart = rawStart;
        _rawBytes = rawBytes;
        if (header.DataLocation != 0)
        {
            throw file.Refusal(
                $"the values of '{Name}' are in a file beside it (external data). Save the model as one file, for "
                + "instance with onnx.save(onnx.load(path), path, save_as_external_data=False)");
        }

        Elements = CountElements();
        var elementBytes = OnnxTypes.ElementBytes(Type);
        var values = rawBytes > 0 || elementBytes == 0 ? rawBytes / Math.Max(1, elementBytes) : TypedValues;
        if (elementBytes > 0 && (values != Elements || (rawBytes > 0 && rawBytes % elementBytes != 0)))
        {
            throw file.Refusal(
                $"{this} has {(rawBytes > 0 ? $"{rawBytes} bytes" : $"{TypedValues} values")}, and {Elements} values "
                + "are needed; the file is damaged. Fetch it again");
        }
    }

    public string Name => _header.Name;

    public int Type => _header.DataType;

    public IReadOnlyList<long> Shape => _header.Dims;

    public long Elements { get; }

    public bool IsFloat => OnnxTypes.IsFloat(Type);

    private int TypedValues => Type switch
    {
        OnnxTypes.Float32 => _header.FloatData.Count,
        OnnxTypes.Int64 => _header.Int64Data.Count,
        OnnxTypes.Float64 => 0, // double_data is not read.
        _ => _header.Int32Data.Count
    };

    /// <summary>Reads elements, row-major.</summary>
    /// <param name="first">The first one; there are as many as <paramref name="values"/> takes.</param>
    public void ReadFloats(long first, Span<float> values)
    {
        var bytes = OnnxTypes.ElementBytes(Type);
        var raw = _rawBytes == 0
            ? default
            : _file.Bytes(_rawStart + checked((int)(first * bytes)), values.Length * bytes);
        for (var i = 0; i < values.Length; i++)
        {
            var at = raw.IsEmpty ? default : raw[(i * bytes)..];
            values[i] = Type switch
            {
                OnnxTypes.Float32 when raw.IsEmpty => _header.FloatData[(int)first + i],
                OnnxTypes.Float32 => BinaryPrimitives.ReadSingleLittleEndian(at),
                OnnxTypes.Float64 => (float)BinaryPrimitives.ReadDoubleLittleEndian(at),
                OnnxTypes.Float16 => (float)BitConverter.UInt16BitsToHalf(Bits(at, first + i)),
                OnnxTypes.BFloat16 => BitConverter.UInt32BitsToSingle((uint)Bits(at, first + i) << 16),
                _ => throw _file.Refusal($"{this} has no floats")
            };
        }
    }

    /// <returns>null where it is large or no integers.</returns>
    public long[]? TryReadIntegers()
    {
        const int most = 1 << 16;
        if (!OnnxTypes.IsInteger(Type) || Elements > most)
            return null;
        var values = new long[Elements];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = Type == OnnxTypes.Int64
                ? _rawBytes == 0
                    ? _header.Int64Data[i]
                    : BinaryPrimitives.ReadInt64LittleEndian(_file.Bytes(_rawStart + (8 * i), 8))
                : _rawBytes == 0
                    ? _header.Int32Data[i]
                    : BinaryPrimitives.ReadInt32LittleEndian(_file.Bytes(_rawStart + (4 * i), 4));
        }

        return values;
    }

    /// <returns>null unless it is one number.</returns>
    public double? TryReadScalar()
    {
        if (Elements != 1)
            return null;
        if (TryReadIntegers() is { } integers)
            return integers[0];
        if (!IsFloat)
            return null;
        Span<float> value = stackalloc float[1];
        ReadFloats(0, value);
        return value[0];
    }

    public override string ToString() =>
        $"the tensor '{Name}' of {OnnxTypes.Name(Type)} [{string.Join(", ", Shape)}]";

    private ushort Bits(ReadOnlySpan<byte> at, long index) => at.IsEmpty
        ? (ushort)_header.Int32Data[(int)index]
        : BinaryPrimitives.ReadUInt16LittleEndian(at);

    private long CountElements()
    {
        var elements = (Int128)1;
        foreach (var size in Shape)
        {
            elements *= size;
            if (size < 0 || elements > int.MaxValue)
                throw _file.Refusal($"{this} has a shape that no file holds; it is damaged. Fetch it again");
        }

        return (long)elements;
    }
}
