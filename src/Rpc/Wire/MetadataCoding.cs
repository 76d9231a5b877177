using Grpc.Core;

namespace Grpc.Wire;

/// <summary>Metadata to headers and back.</summary>
internal static class MetadataCoding
{
    /// <summary>
    /// The header value of an entry: its text, or its bytes in base64 without padding. Text that came from a peer and is
    /// sent on may hold anything; what no header can carry becomes '?'.
    /// </summary>
    public static string Encode(Metadata.Entry entry)
    {
        if (entry.IsBinary)
        {
            return Convert.ToBase64String(entry.BinarySpan).TrimEnd('=');
        }

        return entry.Value.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? string.Create(entry.Value.Length, entry.Value, static (span, value) =>
            {
                for (var i = 0; i < span.Length; i++)
                {
                    span[i] = value[i] is >= ' ' and <= '~' ? value[i] : '?';
                }
            })
            : entry.Value;
    }

    /// <summary>Adds a header; a "-bin" header may hold several values with commas between them.</summary>
    /// <exception cref="RpcException">INTERNAL: a "-bin" value is no base64.</exception>
    public static void Add(Metadata metadata, string name, string value)
    {
        if (!name.EndsWith(Metadata.BinaryHeaderSuffix, StringComparison.OrdinalIgnoreCase))
        {
            metadata.Add(Metadata.Entry.FromWire(name, value));
            return;
        }

        foreach (var part in value.AsSpan().Split(','))
        {
            metadata.Add(Metadata.Entry.FromWire(name, DecodeBase64(name, value.AsSpan()[part].Trim())));
        }
    }

    /// <summary>With or without padding.</summary>
    private static byte[] DecodeBase64(string name, ReadOnlySpan<char> value)
    {
        value = value.TrimEnd('=');
        Span<char> padded = value.Length <= 1024 ? stackalloc char[1028] : new char[value.Length + 4];
        value.CopyTo(padded);
        var length = value.Length;
        while (length % 4 != 0)
        {
            padded[length++] = '=';
        }

        var bytes = new byte[length / 4 * 3];
        if (!Convert.TryFromBase64Chars(padded[..length], bytes, out var written))
        {
            throw new RpcException(new Status(
                StatusCode.Internal, $"Metadata '{name}' is not base64; values under names in -bin must be."));
        }

        return written == bytes.Length ? bytes : bytes[..written];
    }
}
