using System.Text.Json;

namespace Serving.Models.Safetensors;

/// <summary>The header of a safetensors file, which is untrusted until every number in it has been checked.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The most bytes of a header, as in the reference implementation.</summary>
    public const long MaxBytes = 100_000_000;

    private const string MetadataName = "__metadata__";

    public required IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; init; }

    public required IReadOnlyDictionary<string, string> Metadata { get; init; }

    /// <summary>Reads a header and checks it against the bytes that follow.</summary>
    /// <param name="file">Whose header it is, for messages.</param>
    /// <param name="json">The header.</param>
    /// <param name="dataBytes">Bytes behind the header.</param>
    /// <exception cref="ModelFileException">It is no header, or one that lies.</exception>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> json, long dataBytes)
    {
        var entries = new Dictionary<string, SafetensorsEntry>(StringComparer.Ordinal);
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        try
        {
            var reader = new Utf8JsonReader(json);
            using var document = JsonDocument.ParseValue(ref reader);
            while (reader.Read())
                throw new JsonException("There is more than one value.");
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataName)
                    ReadMetadata(file, property.Value, metadata);
                else if (!entries.TryAdd(property.Name, ReadEntry(file, property, dataBytes)))
                {
                    throw new ModelFileException(
                        $"{file}: the header has '{property.Name}' twice; names are needed once.");
                }
            }
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or FormatException)
        {
            throw new ModelFileException(
                $"{file}: the header is no safetensors header ({exception.Message}); save the file again.", exception);
        }

        ThrowUnlessCovering(file, entries.Values, dataBytes);
        return new() { Entries = entries, Metadata = metadata };
    }

    private static void ReadMetadata(string file, JsonElement value, Dictionary<string, string> metadata)
    {
        foreach (var property in value.EnumerateObject())
        {
            metadata[property.Name] = property.Value.GetString()
                ?? throw new ModelFileException($"{file}: the metadata '{property.Name}' is null; text is needed.");
        }
    }

    private static SafetensorsEntry ReadEntry(string file, JsonProperty property, long dataBytes)
    {
        var name = property.Name;
        string? type = null;
        long[]? shape = null;
        long[]? offsets = null;
        foreach (var field in property.Value.EnumerateObject())
        {
            if (field.NameEquals("dtype"))
                type = field.Value.GetString();
            else if (field.NameEquals("shape"))
                shape = [.. field.Value.EnumerateArray().Select(size => size.GetInt64())];
            else if (field.NameEquals("data_offsets"))
                offsets = [.. field.Value.EnumerateArray().Select(offset => offset.GetInt64())];
        }

        if (type is null || shape is null || offsets is not { Length: 2 })
        {
            throw new ModelFileException(
                $"{file}: '{name}' lacks dtype, shape or two data_offsets; save the file again.");
        }

        var entry = new SafetensorsEntry(name, type, shape, offsets[0], offsets[1]);
        if (entry.Begin < 0 || entry.End < entry.Begin || entry.End > dataBytes)
        {
            throw new ModelFileException(
                $"{file}: {entry} lies at bytes {entry.Begin} to {entry.End} of {dataBytes}; the file is truncated or "
                + "its header is wrong. Fetch it again.");
        }

        if (SafetensorsTypes.ElementBytes(type) == 0)
            return entry; // Of a type that is not known nothing is read.

        var needed = ByteCount(type, shape);
        if (needed != entry.ByteCount)
        {
            throw new ModelFileException(
                $"{file}: {entry} has {entry.ByteCount} bytes; its type and shape need "
                + $"{(needed < 0 ? "what no file holds" : needed)}. Save the file again.");
        }

        return entry;
    }

    /// <returns>-1 when no file could be so large.</returns>
    private static long ByteCount(string type, long[] shape)
    {
        var bytes = (Int128)SafetensorsTypes.ElementBytes(type);
        foreach (var size in shape)
        {
            if (size < 0)
                return -1;
            bytes *= size;
            if (bytes > long.MaxValue)
                return -1;
        }

        return (long)bytes;
    }

    /// <summary>Tensors lie one behind the other without gaps: a byte belongs to one tensor.</summary>
    private static void ThrowUnlessCovering(string file, IEnumerable<SafetensorsEntry> entries, long dataBytes)
    {
        var end = 0L;
        foreach (var entry in entries.OrderBy(entry => entry.Begin).ThenBy(entry => entry.End))
        {
            if (entry.Begin != end)
            {
                throw new ModelFileException(
                    $"{file}: {entry} begins at byte {entry.Begin}, the tensor before it ends at {end}; tensors must "
                    + "neither overlap nor leave gaps. Save the file again.");
            }

            end = entry.End;
        }

        if (end != dataBytes)
        {
            throw new ModelFileException(
                $"{file}: the tensors have {end} bytes, {dataBytes} follow the header; the file is damaged. "
                + "Fetch it again.");
        }
    }
}
