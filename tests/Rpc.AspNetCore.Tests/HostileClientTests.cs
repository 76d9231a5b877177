using System.IO.Compression;
using FsCheck;
using FsCheck.Fluent;
using Grpc.Core;
using Grpc.Testing;
using Serving.Testing;

namespace Serving.Rpc.AspNetCore.Tests;

/// <summary>Clients that mean harm: whatever they send, the next well-formed call is answered.</summary>
[Collection(nameof(AloneCollection))]
public sealed class HostileClientTests : IAsyncLifetime
{
    private const int MiB = 1024 * 1024;
    private const string KestrelCategory = "Microsoft.AspNetCore.Server.Kestrel";

    private GrpcTestServer _server = null!;
    private int _running;

    public async Task InitializeAsync() => _server = await GrpcTestServer.StartAsync(new ScriptedService
    {
        OnEmpty = (_, _) => Task.FromResult(new Empty()),
        OnUnary = (request, _) => Task.FromResult(new SimpleResponse { Payload = request.Payload }),
        OnDuplex = async (requests, _, context) =>
        {
            Interlocked.Increment(ref _running);
            try
            {
                while (await requests.MoveNext())
                {
                    context.CancellationToken.ThrowIfCancellationRequested();
                }
            }
            finally
            {
                Interlocked.Decrement(ref _running);
            }
        }
    });

    public async Task DisposeAsync() => await _server.DisposeAsync();

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
             from encoding in Gen.Elements("", "identity", "gzip", "deflate", "nonsense")
             from cut in Gen.Choose(0, 64)
             select (body, encoding, cut)).ToArbitrary(),
            request => RunAsync(request.body, request.encoding, request.cut).GetAwaiter().GetResult());

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), property);

        async Task RunAsync(byte[] body, string encoding, int cut)
        {
            await using var connection = await Http2Connection.ConnectAsync(_server.Port);
            (string, string)[] more = encoding.Length == 0 ? [] : [("grpc-encoding", encoding)];
            await connection.SendRequestAsync(1, ScriptedService.UnaryPath, endStream: false, more);
            cut = Math.Min(cut, body.Length);
            await connection.SendDataAsync(1, body[..cut], endStream: false);
            await connection.SendDataAsync(1, body[cut..], endStream: true);
            var frames = await connection.ReadStreamAsync(1).Within();
            Assert.NotNull(frames[^1].Header("grpc-status"));
            await RequestWireTests.AssertAnswersAsync(connection, streamId: 3);
        }
    }

    [Fact]
    public void RandomHeaders_AlwaysGetAnAnswer()
    {
        var names = Gen.Elements(
            "grpc-timeout", "grpc-encoding", "grpc-accept-encoding", "grpc-status", "grpc-message", "grpc-status-details-bin",
            "grpc-internal-encoding-request", "x-bin", "x", "user-agent", "grpc-message-type");
        var values = Gen.OneOf(
            Gen.Elements("", " ", ",", "0", "99999999H", "gzip", "identity,,", "-1", "%", "\u00ff\u00fe", "AA==", "=", "a=b"),
            from chars in Gen.ArrayOf(Gen.Choose(0x20, 0xFF)) select string.Concat(chars.Select(c => (char)c)));
        var headers = Gen.ArrayOf(from name in names from value in values select (name, value));
        var property = Prop.ForAll(headers.ToArbitrary(), more => RunAsync(more).GetAwaiter().GetResult());

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), property);

        async Task RunAsync((string, string)[] more)
        {
            await using var connection = await Http2Connection.ConnectAsync(_server.Port);
            await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, more);
            await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);
            Assert.NotEmpty(await connection.ReadStreamAsync(1).Within());
            await AssertNextCallIsAnsweredAsync();
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

        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), property);

        async Task RunAsync((int Type, int Flags, int Stream, byte[] Payload)[] sequence)
        {
            await using var connection = await Http2Connection.ConnectAsync(_server.Port);
            try
            {
                foreach (var (type, flags, stream, payload) in sequence)
                {
                    await connection.SendAsync((Http2FrameType)type, (byte)flags, stream, payload);
                }
            }
            catch (IOException)
            {
                // The server closed the connection, as it may.
            }

            await AssertNextCallIsAnsweredAsync();
        }
    }

    [Theory]
    [InlineData(31_000, "0", null)]
    [InlineData(33_000, "8", "200")] // RESOURCE_EXHAUSTED
    [InlineData(100_000, "8", "200")]
    [InlineData(200_000, null, "431")] // Kestrel's own limit
    public async Task TooMuchMetadata_CostsItsCallOnly(int bytes, string? grpcStatus, string? httpStatus)
    {
        await using var connection = await Http2Connection.ConnectAsync(_server.Port);
        await SendMetadataAsync(connection, bytes);
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal(grpcStatus, frames[^1].Header("grpc-status"));
        Assert.Equal(httpStatus, httpStatus is null ? null : frames[0].Header(":status"));
        await RequestWireTests.AssertAnswersAsync(connection, streamId: 3);
    }

    [Fact]
    public async Task TenMegabytesOfMetadata_EndThatConnectionOnly()
    {
        await using var connection = await Http2Connection.ConnectAsync(_server.Port);
        try
        {
            await SendMetadataAsync(connection, 10 * MiB);
            var frames = await connection.ReadStreamAsync(1).Within();
            Assert.DoesNotContain(frames, frame => frame.Type == Http2FrameType.Headers);
        }
        catch (IOException)
        {
            // The server closed the connection while it was still being written to.
        }

        await AssertNextCallIsAnsweredAsync();
    }

    private static async Task SendMetadataAsync(Http2Connection connection, int bytes)
    {
        const int Chunk = 8_000;
        await connection.SendAsync(Http2FrameType.Headers, flags: 0, 1, Hpack.Encode(
            (":method", "POST"), (":scheme", "http"), (":path", ScriptedService.EmptyPath), (":authority", "localhost"),
            ("content-type", "application/grpc"), ("te", "trailers")));
        for (var sent = 0; sent < bytes; sent += Chunk)
        {
            var flags = sent + Chunk >= bytes ? Http2Frame.EndHeadersFlag : (byte)0;
            var value = new string('a', Math.Min(Chunk, bytes - sent));
            await connection.SendAsync(Http2FrameType.Continuation, flags, 1, Hpack.Encode(($"x-{sent}", value)));
        }
    }

    [Theory]
    [InlineData(4)]
    [InlineData(64)]
    [InlineData(512)]
    public async Task GzipBomb_IsStoppedAtTheLimitOfTheDecompressedSize(int mebibytes)
    {
        var bomb = new MemoryStream();
        await using (var gzip = new GZipStream(bomb, CompressionLevel.Optimal, leaveOpen: true))
        {
            var zeros = new byte[MiB];
            for (var i = 0; i < mebibytes; i++)
            {
                await gzip.WriteAsync(zeros);
            }

            await gzip.WriteAsync(zeros.AsMemory(0, 1)); // One byte over 4 MiB in the smallest case.
        }

        await using var connection = await Http2Connection.ConnectAsync(_server.Port);
        await connection.SendRequestAsync(1, ScriptedService.UnaryPath, endStream: false, ("grpc-encoding", "gzip"));
        var frame = Frame(1, (int)bomb.Length, bomb.ToArray());
        Assert.True(bomb.Length < 4 * MiB);
        foreach (var piece in frame.Chunk(16_000))
        {
            await connection.SendDataAsync(1, piece, endStream: false);
        }

        var status = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("8", status.Header("grpc-status"));
        await AssertNextCallIsAnsweredAsync();
    }

    [Fact]
    public async Task RapidReset_LeavesNothingRunning()
    {
        for (var round = 0; round < 10; round++)
        {
            await using var connection = await Http2Connection.ConnectAsync(_server.Port);
            try
            {
                for (var stream = 1; stream < 2000; stream += 2)
                {
                    await connection.SendRequestAsync(stream, ScriptedService.DuplexPath);
                    await connection.SendResetAsync(stream, errorCode: 8); // CANCEL
                }
            }
            catch (IOException)
            {
                // Kestrel ends connections that reset too fast (ENHANCE_YOUR_CALM).
            }
        }

        await Eventually.TrueAsync(() => Volatile.Read(ref _running) == 0, "no handler runs");
        await AssertNextCallIsAnsweredAsync();
    }

    [Fact]
    public async Task TenThousandAbandonedStreams_GiveTheirMemoryBack()
    {
        await AbandonAsync(streams: 1_000); // Warms pools and caches.
        var before = CollectedBytes();

        await AbandonAsync(streams: 10_000);

        Assert.Equal(0, Volatile.Read(ref _running));
        var grown = CollectedBytes() - before;
        Assert.True(grown < 2 * MiB, $"10,000 abandoned streams left {grown} bytes.");
        await AssertNextCallIsAnsweredAsync();

        async Task AbandonAsync(int streams)
        {
            const int PerConnection = 100; // Kestrel's limit of concurrent streams.
            for (var done = 0; done < streams; done += PerConnection)
            {
                await using (var connection = await Http2Connection.ConnectAsync(_server.Port))
                {
                    for (var i = 0; i < PerConnection; i++)
                    {
                        await connection.SendRequestAsync(2 * i + 1, ScriptedService.DuplexPath);
                    }

                    await Eventually.TrueAsync(() => Volatile.Read(ref _running) == PerConnection, "all streams are open");
                }

                await Eventually.TrueAsync(() => Volatile.Read(ref _running) == 0, "all handlers were cancelled");
            }
        }

        static long CollectedBytes()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return GC.GetTotalMemory(forceFullCollection: true);
        }
    }

    private static byte[] Frame(byte flag, int length, byte[] bytes) =>
        [flag, (byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, .. bytes];

    private async Task AssertNextCallIsAnsweredAsync()
    {
        await using var connection = await Http2Connection.ConnectAsync(_server.Port);
        await RequestWireTests.AssertAnswersAsync(connection, streamId: 1);
        // Kestrel says so when it cuts off a connection that floods it; nothing of ours may have failed.
        Assert.DoesNotContain(_server.Errors, line => !line.Category.StartsWith(KestrelCategory, StringComparison.Ordinal));
    }
}
