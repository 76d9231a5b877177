using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Serving.Tensors;

namespace Serving.Models.Safetensors;

/// <summary>Collects tensors and writes them as a safetensors file, in the order of their names.</summary>
public sealed class SafetensorsWriter
{
    private const int HeaderAlignment = 8;

    private readonly SortedDictionary<string, (string Type, long[] Shape, ReadOnlyMemory<byte> Bytes)> _tensors =
        new(StringComparer.Ordinal);

    /// <summary>The file's own notes, text by name.</summary>
    public SortedDictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>Adds float32 values, row-major.</summary>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> values) =>
        Add(name, SafetensorsTypes.Float32, shape, MemoryMarshal.AsBytes(values).ToArray());

    /// <summary>Adds values in a format, row-major.</summary>
    /// <exception cref="ArgumentException">The format is one of memory alone.</exception>
    public void Add(string name, ReadOnlySpan<long> shape, ReadOnlySpan<float> values, WeightFormat format)
    {
        if (format == WeightFormat.Float32)
        {
            Add(name, shape, values);
            return;
        }

        if (format != WeightFormat.BFloat16)
        {
            throw new ArgumentException(
                $"'{name}' cannot be stored as {format}; {WeightFormat.Float32} or {WeightFormat.BFloat16} is needed.");
        }

        var halves = new ushort[values.Length];
        for (var i = 0; i < values.Length; i++)
            halves[i] = BFloat16(values[i]);
        Add(name, SafetensorsTypes.BFloat16, shape, MemoryMarshal.AsBytes<ushort>(halves).ToArray());
    }

    /// <summary>Adds bytes as they are; they are read when the file is written.</summary>
    /// <exception cref="ArgumentException">The name exists, or the bytes don't match type and shape.</exception>
    public void Add(string name, string type, ReadOnlySpan<long> shape, ReadOnlyMemory<byte> bytes)
    {
        var needed = (long)SafetensorsTypes.ElementBytes(type);
        foreach (var size in shape)
            needed *= size;
        if (needed != bytes.Length)
        {
            throw new ArgumentException(
                $"'{name}' has {bytes.Length} bytes; {type} [{string.Join(", ", shape.ToArray())}] needs {needed}.");
        }

        if (!_tensors.TryAdd(name, (type, shape.ToArray(), bytes)))
            throw new ArgumentException($"'{name}' is there already; names are needed once.");
    }

    /// <summary>Writes the file: length, header, tensors.</summary>
    public void Write(Stream output)
    {
        var header = Header();
        Span<byte> length = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
        output.Write(length);
        output.Write(header);
        foreach (var tensor in _tensors.Values)
            output.Write(tensor.Bytes.Span);
    }

    /// <summary>To nearest, ties to even.</summary>
    private static ushort BFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    private ReadOnlySpan<byte> Header()
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            if (Metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach (var (name, text) in Metadata)
                    json.WriteString(name, text);
                json.WriteEndObject();
            }

            var offset = 0L;
            foreach (var (name, (type, shape, bytes)) in _tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (var size in shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset + bytes.Length);
                json.WriteEndArray();
                json.WriteEndObject();
                offset += bytes.Length;
            }

            json.WriteEndObject();
        }

        // Spaces, so that the tensors begin at a multiple of eight.
        var padding = (HeaderAlignment - (buffer.WrittenCount % HeaderAlignment)) % HeaderAlignment;
        buffer.GetSpan(padding)[..padding].Fill((byte)' ');
        buffer.Advance(padding);
        return buffer.WrittenSpan;
    }
}
