using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Serving.Cli;

/// <summary>Where vectors of texts go, one after another.</summary>
internal interface IVectorWriter
{
    void Write(InputRow row, float[] vector);

    void Flush();
}

/// <summary>JSON lines: {"text": ..., "pair": ..., "embedding": [...]}.</summary>
internal sealed class JsonVectors(Stream stream) : IVectorWriter
{
    private readonly BufferedStream _stream = new(stream);

    public void Write(InputRow row, float[] vector)
    {
        using (var json = new Utf8JsonWriter(
            _stream, new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("text", row.Text);
            if (row.Pair is not null)
                json.WriteString("pair", row.Pair);
            json.WriteStartArray("embedding");
            foreach (var value in vector)
                json.WriteNumberValue(value);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        _stream.WriteByte((byte)'\n');
    }

    public void Flush() => _stream.Flush();
}

/// <summary>
/// NumPy's array file, version 1.0 (numpy.lib.format): float32, little-endian, [texts, dimensions], row-major.
/// </summary>
/// <param name="count">Of the vectors that will be written.</param>
internal sealed class NpyVectors(Stream stream, int count) : IVectorWriter
{
    private const int Alignment = 64; // Of the first value in the file.
    private const int LengthBytes = 2;

    private readonly BufferedStream _stream = new(stream);
    private bool _hasHeader;

    public void Write(InputRow row, float[] vector)
    {
        if (!_hasHeader)
            WriteHeader(vector.Length);
        _hasHeader = true;
        Span<byte> bytes = stackalloc byte[sizeof(float)];
        foreach (var value in vector)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
            _stream.Write(bytes);
        }
    }

    public void Flush() => _stream.Flush();

    private void WriteHeader(int dimensions)
    {
        ReadOnlySpan<byte> magic = [0x93, .. "NUMPY"u8, 1, 0];
        var shape = string.Create(CultureInfo.InvariantCulture, $"({count}, {dimensions})");
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}";
        var unpadded = magic.Length + LengthBytes + header.Length + 1;
        header = header.PadRight(header.Length + ((Alignment - (unpadded % Alignment)) % Alignment)) + "\n";
        _stream.Write(magic);
        Span<byte> length = stackalloc byte[LengthBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)header.Length);
        _stream.Write(length);
        _stream.Write(Encoding.ASCII.GetBytes(header));
    }
}
