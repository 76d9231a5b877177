using Grpc.Core;
using Grpc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;

namespace Serving.Rpc.Tests.Client;

/// <summary>What the client makes of responses as they stand on the wire, and what it sends.</summary>
public sealed class ClientWireTests
{
    private static readonly byte[] EmptyMessage = [0, 0, 0, 0, 0];

    public static TheoryData<StatusCode> Failures => [.. Enum.GetValues<StatusCode>().Where(code => code != StatusCode.OK)];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task TrailersOnlyStatus_ReachesTheCaller(StatusCode code)
    {
        await using var server = new RawServer();
        var call = server.CreateClient().EmptyCallAsync(new Empty());
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await connection.SendHeadersAsync(1, endStream: true,
            (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", $"{(int)code}"),
            ("grpc-message", "50%25 of %E2%98%BA"), ("why-bin", "+/8"), ("hint", "later"));

        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within());

        Assert.Equal(code, exception.StatusCode);
        Assert.Equal("50% of ☺", exception.Status.Detail);
        Assert.Equal("FBFF", Convert.ToHexString(exception.Trailers.GetValueBytes("why-bin")!));
        Assert.Equal("later", call.GetTrailers().GetValue("hint"));
        Assert.Equal(code, call.GetStatus().StatusCode);
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task StatusInTrailers_ReachesTheCaller(StatusCode code)
    {
        await using var server = new RawServer();
        using var call = server.CreateClient().StreamingOutputCall(new StreamingOutputCallRequest());
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await SendOkHeadersAsync(connection);
        await connection.SendDataAsync(1, EmptyMessage, endStream: false);
        await connection.SendHeadersAsync(1, endStream: true, ("grpc-status", $"{(int)code}"));

        Assert.True(await call.ResponseStream.MoveNext().Within());
        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().Within());

        Assert.Equal(code, exception.StatusCode);
    }

    [Theory]
    [InlineData(0, StatusCode.Internal)] // NO_ERROR
    [InlineData(1, StatusCode.Internal)] // PROTOCOL_ERROR
    [InlineData(2, StatusCode.Internal)] // INTERNAL_ERROR
    [InlineData(8, StatusCode.Cancelled)] // CANCEL
    [InlineData(11, StatusCode.ResourceExhausted)] // ENHANCE_YOUR_CALM
    [InlineData(12, StatusCode.PermissionDenied)] // INADEQUATE_SECURITY
    public async Task ResetByTheServer_BecomesAStatus(uint errorCode, StatusCode expected)
    {
        await using var server = new RawServer();
        var call = server.CreateClient().EmptyCallAsync(new Empty());
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await SendOkHeadersAsync(connection);
        await connection.SendResetAsync(1, errorCode);

        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within());

        Assert.Equal(expected, exception.StatusCode);
    }

    public static TheoryData<byte[], StatusCode, string> MalformedResponses => new()
    {
        { [], StatusCode.Internal, "sent no message" }, // status 0 and no message
        { [0, 0, 0], StatusCode.Internal, "Incomplete message" },
        { [0, 0, 0, 0, 9, 1], StatusCode.Internal, "Incomplete message" }, // 9 bytes announced, 1 there
        { [7, 0, 0, 0, 0], StatusCode.Internal, "compressed flag is 7" },
        { [1, 0, 0, 0, 0], StatusCode.Internal, "names no compression" },
        { [0, 0xFF, 0xFF, 0xFF, 0xFF], StatusCode.ResourceExhausted, "MaxReceiveMessageSize" },
        { [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], StatusCode.Internal, "more than one message" },
        { [0, 0, 0, 0, 1, 0xFF], StatusCode.Internal, "not a valid Empty" }
    };

    [Theory]
    [MemberData(nameof(MalformedResponses))]
    public async Task MalformedResponse_BecomesAStatus(byte[] body, StatusCode expected, string message)
    {
        await using var server = new RawServer();
        var call = server.CreateClient().EmptyCallAsync(new Empty());
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await SendOkHeadersAsync(connection);
        await connection.SendDataAsync(1, body, endStream: false);
        await connection.SendHeadersAsync(1, endStream: true, ("grpc-status", "0"));

        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within());

        Assert.Equal(expected, exception.StatusCode);
        Assert.Contains(message, exception.Status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("400", "text/html", StatusCode.Internal)]
    [InlineData("401", "text/html", StatusCode.Unauthenticated)]
    [InlineData("403", "text/html", StatusCode.PermissionDenied)]
    [InlineData("404", "text/html", StatusCode.Unimplemented)]
    [InlineData("429", "text/html", StatusCode.Unavailable)]
    [InlineData("502", "text/html", StatusCode.Unavailable)]
    [InlineData("503", "text/html", StatusCode.Unavailable)]
    [InlineData("418", "text/html", StatusCode.Unknown)]
    [InlineData("200", "text/html", StatusCode.Unknown)]
    public async Task ResponseThatIsNotGrpc_BecomesAStatus(string httpStatus, string contentType, StatusCode expected)
    {
        await using var server = new RawServer();
        var call = server.CreateClient().EmptyCallAsync(new Empty());
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await connection.SendHeadersAsync(1, endStream: true, (":status", httpStatus), ("content-type", contentType));

        Assert.Equal(expected, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within())).StatusCode);
    }

    [Theory]
    [InlineData(null, StatusCode.Unknown)] // no status at all
    [InlineData("17", StatusCode.Unknown)] // no such status
    [InlineData("x", StatusCode.Unknown)]
    [InlineData("-1", StatusCode.Unknown)]
    public async Task MissingOrUnknownStatus_IsUnknown(string? status, StatusCode expected)
    {
        await using var server = new RawServer();
        var call = server.CreateClient().EmptyCallAsync(new Empty());
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await SendOkHeadersAsync(connection);
        await connection.SendDataAsync(1, EmptyMessage, endStream: false);
        await connection.SendHeadersAsync(1, endStream: true, status is null ? ("other", "1") : ("grpc-status", status));

        Assert.Equal(expected, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within())).StatusCode);
    }

    [Fact]
    public async Task Request_HasTheHeadersOfTheProtocol_AndOneFrame()
    {
        var time = new TestTimeProvider();
        await using var server = new RawServer();
        var client = server.CreateClient(options =>
            options.ServiceProvider = new ServiceCollection().AddSingleton<TimeProvider>(time).BuildServiceProvider());
        var headers = new Metadata { { "Plain", "a" }, { "raw-bin", [0xFB, 0xFF] } };
        using var call = client.EmptyCallAsync(
            new Empty(), headers, deadline: time.GetUtcNow().UtcDateTime.AddMilliseconds(1));
        await using var connection = await server.AcceptAsync();

        var request = await RawServer.ReadRequestAsync(connection);
        var data = await connection.ReadAsync().Within();

        Assert.Equal("POST", request.Header(":method"));
        Assert.Equal("http", request.Header(":scheme"));
        Assert.Equal(ScriptedService.EmptyPath, request.Header(":path"));
        Assert.Equal($"127.0.0.1:{server.Port}", request.Header(":authority"));
        Assert.Equal("application/grpc", request.Header("content-type"));
        Assert.Equal("trailers", request.Header("te"));
        Assert.Equal("1m", request.Header("grpc-timeout"));
        Assert.Equal("identity,gzip,deflate", request.Header("grpc-accept-encoding"));
        Assert.Equal("a", request.Header("plain"));
        Assert.Equal("+/8", request.Header("raw-bin"));
        Assert.Equal(EmptyMessage, data!.Payload);

        time.Advance(TimeSpan.FromMilliseconds(1));
        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within());
        Assert.Equal(StatusCode.DeadlineExceeded, exception.StatusCode);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(-1_000_000)]
    public async Task DeadlineNowOrInThePast_SendsNothing(int milliseconds)
    {
        var time = new TestTimeProvider();
        await using var server = new RawServer();
        var client = server.CreateClient(options =>
            options.ServiceProvider = new ServiceCollection().AddSingleton<TimeProvider>(time).BuildServiceProvider());

        var call = client.EmptyCallAsync(new Empty(), deadline: time.GetUtcNow().UtcDateTime.AddMilliseconds(milliseconds));

        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within());
        Assert.Equal(StatusCode.DeadlineExceeded, exception.StatusCode);
        Assert.False(server.HasPendingConnection);
    }

    [Fact]
    public async Task Cancel_ResetsTheStreamWithCancel()
    {
        await using var server = new RawServer();
        using var cancellation = new CancellationTokenSource();
        using var call = server.CreateClient().FullDuplexCall(cancellationToken: cancellation.Token);
        await using var connection = await server.AcceptAsync();
        await RawServer.ReadRequestAsync(connection);
        await SendOkHeadersAsync(connection);
        await call.ResponseHeadersAsync.Within();

        await cancellation.CancelAsync();

        var exception = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext().Within());
        Assert.Equal(StatusCode.Cancelled, exception.StatusCode);
        Http2Frame? frame;
        do
        {
            frame = await connection.ReadAsync().Within();
        }
        while (frame is { Type: not Http2FrameType.RstStream });

        Assert.Equal(1, frame!.StreamId);
        Assert.Equal(8u, frame.ErrorCode); // CANCEL
    }

    [Fact]
    public async Task HalfClose_IsAnEmptyFrameWithEndStream()
    {
        await using var server = new RawServer();
        using var call = server.CreateClient().StreamingInputCall();
        await using var connection = await server.AcceptAsync();
        var request = await RawServer.ReadRequestAsync(connection);
        Assert.False(request.EndsStream);

        await call.RequestStream.WriteAsync(new StreamingInputCallRequest()).Within();
        Assert.Equal(EmptyMessage, (await connection.ReadAsync().Within())!.Payload);
        await call.RequestStream.CompleteAsync().Within();
        var end = await connection.ReadAsync().Within();

        Assert.True(end!.EndsStream);
        Assert.Empty(end.Payload);
        await Assert.ThrowsAsync<InvalidOperationException>(() => call.RequestStream.WriteAsync(new StreamingInputCallRequest()));
    }

    [Fact]
    public async Task ConnectionLoss_IsUnavailable()
    {
        await using var server = new RawServer();
        var call = server.CreateClient().EmptyCallAsync(new Empty());
        await using (var connection = await server.AcceptAsync())
        {
            await RawServer.ReadRequestAsync(connection);
            await SendOkHeadersAsync(connection);
            await call.ResponseHeadersAsync.Within();
        }

        Assert.Equal(
            StatusCode.Unavailable, (await Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync.Within())).StatusCode);
    }

    private static Task SendOkHeadersAsync(Http2Connection connection) =>
        connection.SendHeadersAsync(1, endStream: false, (":status", "200"), ("content-type", "application/grpc"));
}
