using System.Net.Sockets;
using Grpc.Core;
using Serving.Testing;
using static Serving.Server.Tests.Wire.WireServer;

namespace Serving.Server.Tests.Wire;

/// <summary>How a server stops, and how deadlines end what runs.</summary>
public sealed class DrainTests
{
    [Fact]
    public async Task Shutdown_SaysGoAway_FinishesWhatIsInFlight_AndTakesNoMore()
    {
        await using var server = await TestServer.StartAsync();
        server.Backend.Close();
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, Classify);
        await connection.SendDataAsync(1, Frame(Request()), endStream: true);
        await server.PassBeganAsync();
        var port = server.Port;

        var stopping = server.StopAsync();
        await FinishesAfterGoAwayAsync(connection, stopping, () =>
        {
            using var late = new TcpClient();
            Assert.ThrowsAny<SocketException>(() => late.Connect("127.0.0.1", port));
            server.Backend.Open();
        });

        await connection.DisposeAsync();
        await stopping.Within();
        Assert.Empty(server.Logs.Errors);
    }

    /// <summary>GOAWAY comes while the call of stream 1 runs; the call is answered once it may be.</summary>
    internal static async Task FinishesAfterGoAwayAsync(Http2Connection connection, Task stopping, Action open)
    {
        var goAway = await connection.ReadAsync().Within();
        Assert.Equal(Http2FrameType.GoAway, goAway!.Type);
        Assert.Equal(0u, goAway.ErrorCode); // NO_ERROR
        Assert.False(stopping.IsCompleted);
        open();

        var last = goAway;
        while (!(last.StreamId == 1 && last.EndsStream))
            last = await connection.ReadAsync().Within() ?? throw new EndOfStreamException("The call was cut off.");
        Assert.Equal("0", last.Header("grpc-status"));
    }

    [Fact]
    public async Task Shutdown_CancelsWhatOutlastsTheLimit()
    {
        await using var server = await TestServer.StartAsync();
        server.Backend.Close();
        var running = server.Client.ClassifyAsync(["a"], ["t"]);
        await server.PassBeganAsync();
        var waiting = server.Client.ClassifyAsync(["b"], ["t"]);
        await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 1, "a call waits");
        var engine = server.Engine;

        using var limit = new CancellationTokenSource();
        var stopping = server.StopAsync(limit.Token);
        Assert.False(waiting.IsCompleted);
        await limit.CancelAsync();

        await Eventually.TrueAsync(() => waiting.IsCompleted && running.IsCompleted, "both calls were cut off");
        await Eventually.TrueAsync(() => engine.QueuedRequests == 0, "nothing waits any more");
        Assert.IsType<RpcException>(waiting.Exception!.InnerException);
        Assert.IsType<RpcException>(running.Exception!.InnerException);
        server.Backend.Open();
        await stopping.Within();
    }

    [Fact]
    public async Task ShutdownTimeout_IsThatLimit()
    {
        await using var server = await TestServer.StartAsync("--Server:ShutdownTimeout=00:00:00.2");
        using var stream = server.Client.Classifier.ClassifyStream(); // It never ends by itself.
        await stream.RequestStream.WriteAsync(
            new() { Input = new() { Text = "a" }, Tasks = { new V1.TaskReference { Task = "t" } } });
        Assert.True(await stream.ResponseStream.MoveNext(default).Within());

        await server.StopAsync().Within();

        await Assert.ThrowsAsync<RpcException>(() => stream.ResponseStream.MoveNext(default).Within());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ConnectionThatSaysNothing_DelaysNoStop(bool isHttpPort)
    {
        // A stop that waited for it would go past Within().
        await using var server = await TestServer.StartAsync("--Server:ShutdownTimeout=01:00:00");
        using var silent = new TcpClient();
        await silent.ConnectAsync("127.0.0.1", isHttpPort ? server.HttpPort : server.Port);
        using var half = new TcpClient();
        await half.ConnectAsync("127.0.0.1", isHttpPort ? server.HttpPort : server.Port);
        await half.GetStream().WriteAsync("PRI * HT"u8.ToArray());

        await server.StopAsync().Within();

        Assert.Empty(server.Logs.Errors);
    }

    [Fact]
    public async Task Deadline_EndsAStreamThatHasBegun_WithTrailers_AndWhatItWaitsFor()
    {
        await using var server = await TestServer.StartAsync();
        for (var seconds = 1; ; seconds *= 2) // So long that an answer comes first, on a busy machine too.
        {
            Assert.True(seconds <= 256, "No answer came before its deadline.");
            await using var connection = await Http2Connection.ConnectAsync(server.Port);
            await connection.SendRequestAsync(1, ClassifyStream, endStream: false, ("grpc-timeout", $"{seconds}S"));
            await connection.SendDataAsync(1, Input(), endStream: false);
            var first = (await connection.ReadAsync().Within())!;
            if (first.Header("grpc-status") is not null)
                continue;
            if ((await connection.ReadAsync().Within())!.Type != Http2FrameType.Data)
                continue;
            server.Backend.Close();
            await connection.SendDataAsync(1, Input(), endStream: false);

            var frames = await connection.ReadStreamAsync(1).Within();

            Assert.Equal("4", frames.Last(frame => frame.Type == Http2FrameType.Headers).Header("grpc-status"));
            await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 0, "nothing waits");
            server.Backend.Open();
            await server.NothingIsLeftAsync();
            Assert.Empty(server.Logs.Errors);
            return;
        }

        static byte[] Input() => Frame(new V1.ClassifyStreamRequest
        {
            Input = new() { Text = "a" },
            Tasks = { new V1.TaskReference { Task = "t" } }
        });
    }

    [Fact]
    public async Task Reset_EndsTheCall_AndTheConnectionLives()
    {
        await using var server = await TestServer.StartAsync();
        server.Backend.Close();
        var running = server.Client.ClassifyAsync(["a"], ["t"]);
        await server.PassBeganAsync();
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, Classify);
        await connection.SendDataAsync(1, Frame(Request()), endStream: true);
        await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 1, "the call waits");

        await connection.WriteAsync(
        [
            0, 0, 4, // 4 bytes
            3, // RST_STREAM
            0, // no flags
            0, 0, 0, 1, // stream 1
            0, 0, 0, 8 // CANCEL
        ]);

        await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 0, "it left the queue");
        await AnswersAsync(connection, streamId: 3);
        server.Backend.Open();
        await running.Within();
        Assert.Empty(server.Logs.Errors);
    }
}
