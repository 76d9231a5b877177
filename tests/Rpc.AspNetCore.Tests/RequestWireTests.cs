using Grpc.Core;
using Grpc.Testing;
using Serving.Testing;

namespace Serving.Rpc.AspNetCore.Tests;

/// <summary>What the server makes of requests as they stand on the wire, right and wrong.</summary>
public sealed class RequestWireTests
{
    private static ScriptedService Echo() => new()
    {
        OnEmpty = (_, _) => Task.FromResult(new Empty()),
        OnUnary = (request, _) => Task.FromResult(new SimpleResponse { Payload = request.Payload }),
        OnInput = async (requests, _) =>
        {
            var count = 0;
            while (await requests.MoveNext())
            {
                count++;
            }

            return new StreamingInputCallResponse { AggregatedPayloadSize = count };
        }
    };

    public static TheoryData<byte[], string, int, string> MalformedBodies => new()
    {
        { [], "", 13, "sent no message" }, // nothing before the end
        { [0], "", 13, "Incomplete message" }, // a flag and no length
        { [0, 0, 0], "", 13, "Incomplete message" }, // half a length
        { [0, 0, 0, 0, 2, 8], "", 13, "Incomplete message" }, // 2 bytes announced, 1 there
        { [2, 0, 0, 0, 0], "", 13, "compressed flag is 2" }, // no such flag
        { [0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "", 13, "compressed flag is 255" },
        { [0, 0xFF, 0xFF, 0xFF, 0xFF], "", 8, "MaxReceiveMessageSize" }, // 4 GiB announced
        { [0, 0, 0x40, 0, 1], "", 8, "4194305 bytes" }, // one byte over 4 MiB
        { [1, 0, 0, 0, 0], "", 13, "names no compression" }, // compressed with nothing
        { [1, 0, 0, 0, 1, 7], "gzip", 13, "not valid gzip" }, // 07 is no gzip
        { [1, 0, 0, 0, 10, 0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "gzip", 13, "not valid gzip" }, // a gzip header alone
        { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "", 13, "more than one message" },
        { [0, 0, 0, 0, 1, 0xFF], "", 13, "not a valid SimpleRequest" } // FF is a broken tag
    };

    [Theory]
    [MemberData(nameof(MalformedBodies))]
    public async Task MalformedBody_GetsAStatus_AndTheConnectionLives(
        byte[] body, string encoding, int status, string message)
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        (string, string)[] more = encoding.Length == 0 ? [] : [("grpc-encoding", encoding)];
        await connection.SendRequestAsync(1, ScriptedService.UnaryPath, endStream: false, more);
        await connection.SendDataAsync(1, body, endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal("200", frames[0].Header(":status"));
        Assert.Equal($"{status}", frames[0].Header("grpc-status"));
        Assert.Contains(message, frames[0].Header("grpc-message"), StringComparison.Ordinal);
        await AssertAnswersAsync(connection, streamId: 3);
        Assert.Empty(server.Errors);
    }

    [Fact]
    public async Task TooLargeMessage_IsRefusedBeforeItArrives()
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.UnaryPath);
        await connection.SendDataAsync(1, [0, 0x7F, 0xFF, 0xFF, 0xFF], endStream: false); // 2 GiB announced, none sent

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal("8", frames[0].Header("grpc-status"));
        await AssertAnswersAsync(connection, streamId: 3);
    }

    [Fact]
    public async Task MessageInPieces_IsPutTogether()
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.UnaryPath);
        byte[] body =
        [
            0, 0, 0, 0, 6, // 6 bytes follow
            0x1A, 4, // field 3, payload, 4 bytes
            0x12, 2, 0xCA, 0xFE // field 2, body, CA FE
        ];
        foreach (var value in body)
        {
            await connection.SendDataAsync(1, [value], endStream: false);
        }

        await connection.SendDataAsync(1, [], endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        byte[] expected =
        [
            0, 0, 0, 0, 6, // 6 bytes follow
            0x0A, 4, // field 1, payload, 4 bytes
            0x12, 2, 0xCA, 0xFE // field 2, body, CA FE
        ];
        Assert.Equal(expected, frames[1].Payload);
    }

    [Fact]
    public async Task HalfClose_EndsTheRequestStreamAndOnlyThat()
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.InputPath);
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], endStream: false); // two empty messages
        await connection.SendDataAsync(1, [], endStream: true); // half-close

        var frames = await connection.ReadStreamAsync(1).Within();

        byte[] expected = [0, 0, 0, 0, 2, 0x08, 2]; // field 1 = 2 messages
        Assert.Equal(expected, frames.Where(frame => frame.Type == Http2FrameType.Data).SelectMany(frame => frame.Payload));
        Assert.Equal("0", frames[^1].Header("grpc-status"));
    }

    [Fact]
    public async Task HalfCloseWithTheHeaders_IsAnEmptyStream()
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.InputPath, endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal("0", frames[^1].Header("grpc-status"));
    }

    [Fact]
    public async Task Metadata_ArrivesDecoded_AndProtocolHeadersDoNot()
    {
        Metadata? seen = null;
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, context) =>
            {
                seen = context.RequestHeaders;
                return Task.FromResult(new Empty());
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false,
            ("plain", "a, b"), ("two-bin", "AQ==, Ag"), ("two-bin", "+/8="), ("grpc-timeout", "1H"), ("user-agent", "test/1"));
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);
        await connection.ReadStreamAsync(1).Within();

        Assert.Equal("a, b", seen!.GetValue("plain"));
        Assert.Equal(["01", "02", "FBFF"], seen.GetAll("two-bin").Select(entry => Convert.ToHexString(entry.ValueBytes)));
        Assert.Equal("test/1", seen.GetValue("user-agent"));
        string[] hidden = ["te", "content-type", "grpc-timeout", "host", ":path", ":authority"];
        Assert.DoesNotContain(seen, entry => hidden.Contains(entry.Key));
    }

    [Fact]
    public async Task OddMetadataThatIsSentBack_CostsNoStatus()
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, context) =>
            {
                context.ResponseTrailers.Add(context.RequestHeaders.Get("odd")!);
                return Task.FromResult(new Empty());
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, ("odd", "caf\u00e9"));
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);

        var trailers = (await connection.ReadStreamAsync(1).Within())[^1];

        Assert.Equal("0", trailers.Header("grpc-status"));
        Assert.Equal("caf?", trailers.Header("odd"));
    }

    [Fact]
    public async Task BinaryMetadataThatIsNoBase64_IsInternal()
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, context) =>
            {
                context.RequestHeaders.GetValueBytes("broken-bin");
                return Task.FromResult(new Empty());
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, ("broken-bin", "***"));
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);

        var frame = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("13", frame.Header("grpc-status"));
        Assert.Contains("broken-bin", frame.Header("grpc-message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task UnknownCompression_IsUnimplementedAndNamesTheKnown()
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, ("grpc-encoding", "zstd"));
        await connection.SendDataAsync(1, [1, 0, 0, 0, 0], endStream: true);

        var frame = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("12", frame.Header("grpc-status"));
        Assert.Equal("identity,gzip,deflate", frame.Header("grpc-accept-encoding"));
    }

    [Fact]
    public async Task GetOnAMethod_Is405()
    {
        await using var server = await GrpcTestServer.StartAsync(Echo());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendHeadersAsync(1, endStream: true,
            (":method", "GET"), (":scheme", "http"), (":path", ScriptedService.EmptyPath), (":authority", "localhost"));

        Assert.Equal("405", (await connection.ReadStreamAsync(1).Within())[0].Header(":status"));
    }

    internal static async Task AssertAnswersAsync(Http2Connection connection, int streamId)
    {
        await connection.SendRequestAsync(streamId, ScriptedService.EmptyPath);
        await connection.SendDataAsync(streamId, [0, 0, 0, 0, 0], endStream: true);
        var frames = await connection.ReadStreamAsync(streamId).Within();
        Assert.Equal("0", frames[^1].Header("grpc-status"));
    }
}
