using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Serving.Testing;

/// <summary>The frame types of RFC 9113, section 6.</summary>
public enum Http2FrameType : byte
{
    Data = 0,
    Headers = 1,
    RstStream = 3,
    Settings = 4,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9
}

/// <summary>One frame.</summary>
public sealed record Http2Frame(Http2FrameType Type, byte Flags, int StreamId, byte[] Payload)
{
    public const byte EndStreamFlag = 1;
    public const byte AckFlag = 1;
    public const byte EndHeadersFlag = 4;

    public bool EndsStream => Type is Http2FrameType.Data or Http2FrameType.Headers && (Flags & EndStreamFlag) != 0;

    public List<(string Name, string Value)> Headers => Hpack.Decode(Payload);

    /// <summary>Of RST_STREAM, or the last four bytes of the fixed part of GOAWAY.</summary>
    public uint ErrorCode =>
        BinaryPrimitives.ReadUInt32BigEndian(Payload.AsSpan(Type == Http2FrameType.GoAway ? 4 : 0));

    public string? Header(string name) =>
        Headers.Where(header => header.Name == name).Select(header => header.Value).LastOrDefault();
}

/// <summary>An HTTP/2 connection of which the test writes and sees every frame.</summary>
public sealed class Http2Connection : IAsyncDisposable
{
    private static readonly byte[] Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    private readonly TcpClient _tcp;
    private readonly NetworkStream _stream;
    private readonly byte[] _header = new byte[9];

    private Http2Connection(TcpClient tcp)
    {
        _tcp = tcp;
        _stream = tcp.GetStream();
        tcp.NoDelay = true;
    }

    /// <summary>A client's connection: preface, and settings that switch off the dynamic header table.</summary>
    public static async Task<Http2Connection> ConnectAsync(int port)
    {
        var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, port);
        var connection = new Http2Connection(tcp);
        await connection.WriteAsync(Preface);
        await connection.SendAsync(Http2FrameType.Settings, flags: 0, streamId: 0,
        [
            0, 1, 0, 0, 0, 0, // SETTINGS_HEADER_TABLE_SIZE = 0
            0, 4, 0x7F, 0xFF, 0xFF, 0xFF // SETTINGS_INITIAL_WINDOW_SIZE = 2^31 - 1
        ]);
        return connection;
    }

    /// <summary>A server's connection: reads the client's preface and answers with empty settings.</summary>
    public static async Task<Http2Connection> AcceptAsync(TcpListener listener)
    {
        var connection = new Http2Connection(await listener.AcceptTcpClientAsync());
        await connection._stream.ReadExactlyAsync(new byte[Preface.Length]);
        await connection.SendAsync(Http2FrameType.Settings, flags: 0, streamId: 0, []);
        return connection;
    }

    public Task WriteAsync(byte[] bytes) => _stream.WriteAsync(bytes).AsTask();

    public Task SendAsync(Http2FrameType type, byte flags, int streamId, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        frame[0] = (byte)(payload.Length >> 16);
        frame[1] = (byte)(payload.Length >> 8);
        frame[2] = (byte)payload.Length;
        frame[3] = (byte)type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), streamId);
        payload.CopyTo(frame, 9);
        return WriteAsync(frame);
    }

    public Task SendHeadersAsync(int streamId, bool endStream, params (string Name, string Value)[] headers) =>
        SendAsync(
            Http2FrameType.Headers,
            (byte)(Http2Frame.EndHeadersFlag | (endStream ? Http2Frame.EndStreamFlag : 0)),
            streamId,
            Hpack.Encode(headers));

    /// <summary>The headers of a gRPC request.</summary>
    public Task SendRequestAsync(
        int streamId, string path, bool endStream = false, params (string Name, string Value)[] more) =>
        SendHeadersAsync(streamId, endStream,
        [
            (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers"), .. more
        ]);

    public Task SendDataAsync(int streamId, byte[] data, bool endStream) =>
        SendAsync(Http2FrameType.Data, endStream ? Http2Frame.EndStreamFlag : (byte)0, streamId, data);

    public Task SendResetAsync(int streamId, uint errorCode)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(payload, errorCode);
        return SendAsync(Http2FrameType.RstStream, flags: 0, streamId, payload);
    }

    /// <summary>
    /// The next frame that is about a stream or ends the connection; settings and pings are answered on the way.
    /// </summary>
    /// <returns>Null when the peer closed the connection.</returns>
    public async Task<Http2Frame?> ReadAsync()
    {
        while (true)
        {
            Http2Frame frame;
            try
            {
                await _stream.ReadExactlyAsync(_header);
                var payload = new byte[(_header[0] << 16) | (_header[1] << 8) | _header[2]];
                await _stream.ReadExactlyAsync(payload);
                var streamId = BinaryPrimitives.ReadInt32BigEndian(_header.AsSpan(5));
                frame = new Http2Frame((Http2FrameType)_header[3], _header[4], streamId, payload);
                if (frame.Type is Http2FrameType.Settings or Http2FrameType.Ping
                    && (frame.Flags & Http2Frame.AckFlag) == 0)
                {
                    var answer = frame.Type == Http2FrameType.Ping ? frame.Payload : [];
                    await SendAsync(frame.Type, Http2Frame.AckFlag, streamId: 0, answer);
                }
            }
            catch (Exception exception) when (exception is EndOfStreamException or IOException)
            {
                return null;
            }

            if (frame.Type is not (Http2FrameType.Settings or Http2FrameType.Ping or Http2FrameType.WindowUpdate))
            {
                return frame;
            }
        }
    }

    /// <summary>Frames of one stream up to its end or reset; those of other streams are dropped.</summary>
    public async Task<List<Http2Frame>> ReadStreamAsync(int streamId)
    {
        var frames = new List<Http2Frame>();
        while (await ReadAsync() is { } frame)
        {
            if (frame.Type == Http2FrameType.GoAway)
            {
                frames.Add(frame);
                break;
            }

            if (frame.StreamId != streamId)
            {
                continue;
            }

            frames.Add(frame);
            if (frame.EndsStream || frame.Type == Http2FrameType.RstStream)
            {
                break;
            }
        }

        return frames;
    }

    public ValueTask DisposeAsync()
    {
        _tcp.Dispose();
        return ValueTask.CompletedTask;
    }
}
