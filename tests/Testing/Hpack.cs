using System.Text;

namespace Serving.Testing;

/// <summary>Header blocks in the plain parts of HPACK, RFC 7541: no dynamic table, no Huffman code.</summary>
public static class Hpack
{
    private const int IndexedFlag = 0x80;
    private const int IncrementalFlag = 0x40;
    private const int TableSizeFlag = 0x20;

    /// <summary>RFC 7541, appendix A.</summary>
    private static readonly (string Name, string Value)[] StaticTable =
    [
        (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
        (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
        (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
        ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
        ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
        ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
        ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""),
        ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""),
        ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""),
        ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""),
        ("proxy-authorization", ""), ("range", ""),
        ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
        ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
        ("www-authenticate", "")
    ];

    /// <summary>Each header as a literal without indexing: 00, name length, name, value length, value.</summary>
    public static byte[] Encode(params (string Name, string Value)[] headers)
    {
        var block = new List<byte>();
        foreach (var (name, value) in headers)
        {
            block.Add(0x00);
            AddString(block, name);
            AddString(block, value);
        }

        return [.. block];
    }

    public static List<(string Name, string Value)> Decode(ReadOnlySpan<byte> block)
    {
        var headers = new List<(string, string)>();
        var at = 0;
        while (at < block.Length)
        {
            int first = block[at];
            if ((first & IndexedFlag) != 0)
            {
                headers.Add(StaticTable[ReadInteger(block, ref at, prefixBits: 7) - 1]);
            }
            else if ((first & IncrementalFlag) == 0 && (first & TableSizeFlag) != 0)
            {
                ReadInteger(block, ref at, prefixBits: 5);
            }
            else
            {
                var index = ReadInteger(block, ref at, (first & IncrementalFlag) != 0 ? 6 : 4);
                var name = index == 0 ? ReadString(block, ref at) : StaticTable[index - 1].Name;
                headers.Add((name, ReadString(block, ref at)));
            }
        }

        return headers;
    }

    private static void AddString(List<byte> block, string text)
    {
        var bytes = Encoding.Latin1.GetBytes(text);
        var length = bytes.Length;
        if (length < 127)
        {
            block.Add((byte)length);
        }
        else
        {
            block.Add(127);
            for (length -= 127; length >= 128; length >>= 7)
            {
                block.Add((byte)((length & 127) | 128));
            }

            block.Add((byte)length);
        }

        block.AddRange(bytes);
    }

    private static int ReadInteger(ReadOnlySpan<byte> block, ref int at, int prefixBits)
    {
        var max = (1 << prefixBits) - 1;
        var value = block[at++] & max;
        if (value < max)
        {
            return value;
        }

        for (var shift = 0; ; shift += 7)
        {
            var next = block[at++];
            value += (next & 127) << shift;
            if ((next & 128) == 0)
            {
                return value;
            }
        }
    }

    private static string ReadString(ReadOnlySpan<byte> block, ref int at)
    {
        if ((block[at] & 128) != 0)
        {
            throw new NotSupportedException("A Huffman-coded header; this reader takes plain ones only.");
        }

        var length = ReadInteger(block, ref at, prefixBits: 7);
        var text = Encoding.Latin1.GetString(block.Slice(at, length));
        at += length;
        return text;
    }
}
