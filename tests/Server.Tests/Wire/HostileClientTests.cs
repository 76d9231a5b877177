using System.Net.Sockets;
using FsCheck;
using FsCheck.Fluent;
using Serving.Testing;
using static Serving.Server.Tests.Wire.WireServer;

namespace Serving.Server.Tests.Wire;

/// <summary>Clients that mean harm: whatever they send, the next well-formed call is answered.</summary>
public sealed class HostileClientTests(WireServer server) : IClassFixture<WireServer>
{
    private const int Runs = 200;

    [Fact]
    public void RandomBodies_AlwaysGetAStatus()
    {
        var bodies = Gen.OneOf(
            ArbMap.Default.GeneratorFor<byte[]>(),
            // Frames that look right: a flag, a length that may lie, some bytes.
            from flag in Gen.Elements<byte>(0, 0, 0, 1, 1, 2, 255)
            from length in Gen.OneOf(Gen.Choose(0, 40), Gen.Choose(0, int.MaxValue), Gen.Constant(-1))
            from bytes in ArbMap.Default.GeneratorFor<byte[]>()
            select Frame(flag, length, bytes));
        var property = Prop.ForAll(
            (from body in bodies
             from path in Gen.Elements(
                 Classify, ClassifyStream, GetLimits, "/serving.v1.Tasks/ImportTask", "/serving.v1.Jobs/WatchJob")
             from encoding in Gen.Elements("", "identity", "gzip", "deflate", "nonsense")
             from cut in Gen.Choose(0, 64)
             select (body, path, encoding, cut)).ToArbitrary(),
            request => RunAsync(request.body, request.path, request.encoding, request.cut).GetAwaiter().GetResult());

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(Runs), property);

        async Task RunAsync(byte[] body, string path, string encoding, int cut)
        {
            await using var connection = await server.ConnectAsync();
            (string, string)[] more = encoding.Length == 0 ? [] : [("grpc-encoding", encoding)];
            await connection.SendRequestAsync(1, path, endStream: false, more);
            cut = Math.Min(cut, body.Length);
            await connection.SendDataAsync(1, body[..cut], endStream: false);
            await connection.SendDataAsync(1, body[cut..], endStream: true);
            var frames = await connection.ReadStreamAsync(1).Within();
            Assert.NotNull(frames.Last(frame => frame.Type == Http2FrameType.Headers).Header("grpc-status"));
            await AnswersAsync(connection, streamId: 3);
            server.NothingFailed();
        }
    }

    [Fact]
    public void RandomHeaders_AlwaysGetAnAnswer()
    {
        var names = Gen.Elements(
            "grpc-timeout",
            "grpc-encoding", "grpc-accept-encoding", "grpc-status", "grpc-message", "grpc-status-details-bin",
            "grpc-internal-encoding-request", "x-bin", "x", "user-agent", "grpc-message-type", "traceparent");
        var values = Gen.OneOf(
            Gen.Elements(
                "", " ", ",", "0", "99999999H", "gzip", "identity,,", "-1", "%", "\u00ff\u00fe", "AA==", "=", "a=b"),
            from chars in Gen.ArrayOf(Gen.Choose(0x20, 0xFF)) select string.Concat(chars.Select(c => (char)c)));
        var headers = Gen.ArrayOf(from name in names from value in values select (name, value));
        var property = Prop.ForAll(headers.ToArbitrary(), more => RunAsync(more).GetAwaiter().GetResult());

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(Runs), property);

        async Task RunAsync((string, string)[] more)
        {
            await using var connection = await server.ConnectAsync();
            Assert.NotEmpty(await CallAsync(connection, 1, GetLimits, Frame(0, 0, []), more));
            await server.NextCallIsAnsweredAsync();
        }
    }

    [Fact]
    public void RandomFrames_EndOnlyTheirOwnConnection()
    {
        var frames = from type in Gen.Choose(0, 12)
                     from flags in Gen.Choose(0, 255)
                     from stream in Gen.Elements(0, 1, 2, 3, 1001, int.MaxValue)
                     from payload in ArbMap.Default.GeneratorFor<byte[]>()
                     select (type, flags, stream, payload);
        var property = Prop.ForAll(
            Gen.ArrayOf(frames).ToArbitrary(), sequence => RunAsync(sequence).GetAwaiter().GetResult());

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(Runs), property);

        async Task RunAsync((int Type, int Flags, int Stream, byte[] Payload)[] sequence)
        {
            await using var connection = await server.ConnectAsync();
            try
            {
                foreach (var (type, flags, stream, payload) in sequence)
                    await connection.SendAsync((Http2FrameType)type, (byte)flags, stream, payload);
            }
            catch (IOException)
            {
                // The server closed the connection, as it may.
            }

            await server.NextCallIsAnsweredAsync();
        }
    }

    [Theory]
    [InlineData(31_000, "0", "200")]
    [InlineData(33_000, "8", "200")] // RESOURCE_EXHAUSTED
    [InlineData(100_000, "8", "200")]
    [InlineData(200_000, null, "431")] // Kestrel's own limit
    public async Task TooMuchMetadata_CostsItsCallOnly(int bytes, string? grpcStatus, string httpStatus)
    {
        await using var connection = await server.ConnectAsync();
        await SendMetadataAsync(connection, bytes);
        await connection.SendDataAsync(1, Frame(0, 0, []), endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal(httpStatus, frames[0].Header(":status"));
        Assert.Equal(grpcStatus, frames.Last(frame => frame.Type == Http2FrameType.Headers).Header("grpc-status"));
        if (grpcStatus == "8")
            Assert.Contains("more than the 32768 that this server takes", frames[0].Header("grpc-message")!);
        await AnswersAsync(connection, streamId: 3);
    }

    [Fact]
    public async Task TenMegabytesOfMetadata_EndThatConnectionOnly()
    {
        await using var connection = await server.ConnectAsync();
        try
        {
            await SendMetadataAsync(connection, 10_000_000);
            var frames = await connection.ReadStreamAsync(1).Within();
            Assert.DoesNotContain(frames, frame => frame.Type == Http2FrameType.Headers);
        }
        catch (IOException)
        {
            // The server closed the connection while it was still being written to.
        }

        await server.NextCallIsAnsweredAsync();
    }

    private static async Task SendMetadataAsync(Http2Connection connection, int bytes)
    {
        const int Chunk = 8_000;
        await connection.SendAsync(Http2FrameType.Headers, flags: 0, 1, Hpack.Encode(
            (":method", "POST"), (":scheme", "http"), (":path", GetLimits), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers")));
        for (var sent = 0; sent < bytes; sent += Chunk)
        {
            var flags = sent + Chunk >= bytes ? Http2Frame.EndHeadersFlag : (byte)0;
            var value = new string('a', Math.Min(Chunk, bytes - sent));
            await connection.SendAsync(Http2FrameType.Continuation, flags, 1, Hpack.Encode(($"x-{sent}", value)));
        }
    }

    /// <summary>CVE-2023-44487.</summary>
    [Fact]
    public async Task RapidReset_LeavesNothingInTheQueue()
    {
        var backend = server.Server.Backend;
        backend.Close();
        try
        {
            var running = server.Server.Client.ClassifyAsync(["a"], ["t"]);
            await server.Server.PassBeganAsync();
            for (var round = 0; round < 5; round++)
            {
                await using var connection = await server.ConnectAsync();
                try
                {
                    for (var stream = 1; stream < 2000; stream += 2)
                    {
                        await connection.SendRequestAsync(stream, Classify);
                        await connection.SendDataAsync(stream, Frame(Request()), endStream: true);
                        await connection.SendResetAsync(stream, errorCode: 8); // CANCEL
                    }
                }
                catch (IOException)
                {
                    // Kestrel ends connections that reset too fast (ENHANCE_YOUR_CALM).
                }

                await server.NextCallIsAnsweredAsync();
            }

            await Eventually.TrueAsync(
                () => server.Server.Engine.QueuedRequests == 0, "nothing waits of the calls that were reset");
            backend.Open();
            await running.Within();
        }
        finally
        {
            backend.Open();
        }

        await server.Server.NothingIsLeftAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task WhatIsNoHttp2_CostsItsConnectionOnly(bool isHttpPort)
    {
        var port = isHttpPort ? server.Server.HttpPort : server.Port;
        byte[][] openings =
        [
            [0x16, 3, 1, 0, 0xC8, 1, 0, 0, 0xC4, 3, 3, .. new byte[194]], // A TLS record, handshake, client hello.
            [0, 0, 0, 0],
            [0xFF, 0xFE, 0xFD],
            "PRI * HTTP/2.0\r\n\r\nnonsense"u8.ToArray(),
            "PRI * HT"u8.ToArray(),
            "G"u8.ToArray(),
            []
        ];
        foreach (var opening in openings)
        {
            foreach (var isReset in (bool[])[false, true])
            {
                using var tcp = new TcpClient();
                await tcp.ConnectAsync("127.0.0.1", port);
                await tcp.GetStream().WriteAsync(opening);
                if (isReset)
                    tcp.LingerState = new(enable: true, seconds: 0); // RST instead of FIN.
                tcp.Close();
            }
        }

        await server.NextCallIsAnsweredAsync();
    }

    [Fact]
    public async Task ConnectionsThatReset_AreNoErrors()
    {
        for (var i = 0; i < 50; i++)
        {
            using var tcp = new TcpClient { LingerState = new(enable: true, seconds: 0) };
            await tcp.ConnectAsync("127.0.0.1", i % 2 == 0 ? server.Port : server.Server.HttpPort);
        }

        for (var i = 0; i < 20; i++)
            await server.NextCallIsAnsweredAsync();
    }
}
