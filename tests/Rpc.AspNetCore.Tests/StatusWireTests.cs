using Grpc.Core;
using Grpc.Testing;
using Serving.Testing;

namespace Serving.Rpc.AspNetCore.Tests;

/// <summary>What stands on the wire at the end of a call.</summary>
public sealed class StatusWireTests
{
    /// <summary>An empty message: flag 0, length 0.</summary>
    private static readonly byte[] EmptyMessage = [0, 0, 0, 0, 0];

    [Fact]
    public async Task Ok_HasHeadersMessageAndTrailers()
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) => Task.FromResult(new Empty())
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.WriteAsync(
        [
            0, 0, 127, // 127 bytes of header block
            1, // HEADERS
            4, // END_HEADERS
            0, 0, 0, 1, // stream 1
            0x83, // :method: POST, static entry 3
            0x86, // :scheme: http, static entry 6
            0x00, 5, .. ":path"u8, 35, .. "/grpc.testing.TestService/EmptyCall"u8, // literal, 1 + 1 + 5 + 1 + 35 = 43 bytes
            0x00, 10, .. ":authority"u8, 9, .. "localhost"u8, // literal, 22 bytes
            0x00, 12, .. "content-type"u8, 22, .. "application/grpc+proto"u8, // literal, 37 bytes
            0x00, 2, .. "te"u8, 8, .. "trailers"u8, // literal, 13 bytes
            0x00, 3, .. "x-y"u8, 4, .. "1234"u8, // literal, 10 bytes: 2 + 43 + 22 + 37 + 13 + 10 = 127
            0, 0, 5, // 5 bytes of data
            0, // DATA
            1, // END_STREAM
            0, 0, 0, 1, // stream 1
            0, // not compressed
            0, 0, 0, 0 // an empty message
        ]);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal([Http2FrameType.Headers, Http2FrameType.Data, Http2FrameType.Headers], frames.Select(frame => frame.Type));
        Assert.Equal("200", frames[0].Header(":status"));
        Assert.Equal("application/grpc", frames[0].Header("content-type"));
        Assert.Equal(EmptyMessage, frames[1].Payload);
        Assert.Equal([("grpc-status", "0")], frames[2].Headers);
        Assert.True(frames[2].EndsStream);
    }

    public static TheoryData<StatusCode> Codes => [.. Enum.GetValues<StatusCode>().Where(code => code != StatusCode.OK)];

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task Failure_IsTrailersOnly(StatusCode code)
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) => throw new RpcException(
                new Status(code, "50% of ☺"), new Metadata { { "why-bin", [0xFB, 0xFF] }, { "hint", "later" } })
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath);
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frame = Assert.Single(await connection.ReadStreamAsync(1).Within());

        Assert.True(frame.EndsStream);
        Assert.Equal("200", frame.Header(":status"));
        Assert.Equal("application/grpc", frame.Header("content-type"));
        Assert.Equal($"{(int)code}", frame.Header("grpc-status"));
        Assert.Equal("50%25 of %E2%98%BA", frame.Header("grpc-message"));
        Assert.Equal("+/8", frame.Header("why-bin")); // FB FF is 111110 111111 1111(00): + / 8, no padding
        Assert.Equal("later", frame.Header("hint"));
        Assert.Empty(server.Errors);
    }

    [Theory]
    [MemberData(nameof(Codes))]
    public async Task FailureAfterAMessage_IsInTrailers(StatusCode code)
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnOutput = async (_, responses, _) =>
            {
                await responses.WriteAsync(new StreamingOutputCallResponse());
                throw new RpcException(new Status(code, ""));
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.OutputPath);
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Null(frames[0].Header("grpc-status"));
        Assert.Equal([("grpc-status", $"{(int)code}")], frames[^1].Headers);
        Assert.Equal(EmptyMessage, frames.Where(frame => frame.Type == Http2FrameType.Data).SelectMany(frame => frame.Payload));
    }

    [Fact]
    public async Task HandlerException_IsUnknownWithoutItsText_AndIsLoggedWithItsStack()
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) => throw new InvalidDataException("the password is swordfish")
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath);
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frame = Assert.Single(await connection.ReadStreamAsync(1).Within());

        Assert.Equal("2", frame.Header("grpc-status"));
        Assert.Equal("Exception was thrown by handler.", frame.Header("grpc-message"));
        Assert.DoesNotContain(frame.Headers, header => header.Value.Contains("swordfish", StringComparison.Ordinal));
        var error = Assert.Single(server.Errors);
        Assert.Contains(nameof(ScriptedService), error.Exception!.StackTrace, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/grpc.testing.TestService/Nope", "Method is unimplemented.")]
    [InlineData("/no.such.Service/Nope", "Service is unimplemented.")]
    [InlineData("/", "Service is unimplemented.")]
    [InlineData("/a/b/c/d", "Service is unimplemented.")]
    public async Task UnknownServiceOrMethod_IsHttp200Unimplemented(string path, string message)
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, path);
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frame = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("200", frame.Header(":status"));
        Assert.Equal("12", frame.Header("grpc-status"));
        Assert.Equal(message, frame.Header("grpc-message"));
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/grpcx")]
    [InlineData("text/plain")]
    public async Task WrongContentType_Is415(string contentType)
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendHeadersAsync(1, endStream: true,
            (":method", "POST"), (":scheme", "http"), (":path", ScriptedService.EmptyPath), (":authority", "localhost"),
            ("content-type", contentType));

        var frame = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("415", frame.Header(":status"));
        Assert.Contains("use application/grpc", frame.Header("grpc-message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResponseHeadersAndTrailers_ReachTheWire()
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = async (_, context) =>
            {
                await context.WriteResponseHeadersAsync(new Metadata { { "early", "1" }, { "early", "2" }, { "raw-bin", [1] } });
                await Assert.ThrowsAsync<InvalidOperationException>(() => context.WriteResponseHeadersAsync([]));
                context.ResponseTrailers.Add("late", "3");
                context.Status = new Status(StatusCode.OK, "fine");
                return new Empty();
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath);
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal(["1", "2"], frames[0].Headers.Where(header => header.Name == "early").Select(header => header.Value));
        Assert.Equal("AQ", frames[0].Header("raw-bin")); // 01 is 000000 01(0000): A Q
        Assert.Equal("3", frames[^1].Header("late"));
        Assert.Equal("fine", frames[^1].Header("grpc-message"));
        Assert.Empty(server.Errors);
    }
}
