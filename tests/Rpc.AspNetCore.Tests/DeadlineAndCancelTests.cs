using Grpc.Core;
using Grpc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;

namespace Serving.Rpc.AspNetCore.Tests;

public sealed class DeadlineAndCancelTests
{
    private static readonly byte[] EmptyMessage = [0, 0, 0, 0, 0];

    [Theory]
    [InlineData("0n")]
    [InlineData("0u")]
    [InlineData("0m")]
    [InlineData("0S")]
    [InlineData("00000000H")]
    public async Task DeadlineOfZero_EndsTheCallBeforeTheHandler(string timeout)
    {
        var isHandled = false;
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) =>
            {
                isHandled = true;
                return Task.FromResult(new Empty());
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, ("grpc-timeout", timeout));
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frame = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("4", frame.Header("grpc-status"));
        Assert.False(isHandled);
    }

    [Fact]
    public async Task DeadlineOfOneMillisecond_EndsAHandlerThatIgnoresIt()
    {
        var time = new TestTimeProvider();
        var isStarted = new TaskCompletionSource();
        var isReleased = new TaskCompletionSource();
        var deadline = DateTime.MinValue;
        CancellationToken token = default;
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService
            {
                OnEmpty = async (_, context) =>
                {
                    deadline = context.Deadline;
                    token = context.CancellationToken;
                    isStarted.TrySetResult();
                    await isReleased.Task;
                    return new Empty();
                }
            },
            configure: builder => builder.Services.AddSingleton<TimeProvider>(time));
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, ("grpc-timeout", "1m"));
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);
        await isStarted.Task.Within();
        Assert.Equal(time.GetUtcNow().UtcDateTime.AddMilliseconds(1), deadline);
        Assert.False(token.IsCancellationRequested);

        time.Advance(TimeSpan.FromMilliseconds(1));
        var frames = await connection.ReadStreamAsync(1).Within();

        Assert.Equal("4", frames[0].Header("grpc-status"));
        await Eventually.TrueAsync(() => token.IsCancellationRequested, "the handler's token is cancelled");
        isReleased.SetResult();
        await RequestWireTests.AssertAnswersAsync(connection, streamId: 3).WaitAsync(TimeSpan.FromSeconds(20));
        Assert.Empty(server.Errors);
    }

    [Fact]
    public async Task Deadline_EndsAStreamThatHasBegun_WithTrailers()
    {
        var time = new TestTimeProvider();
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService
            {
                OnDuplex = async (requests, responses, context) =>
                {
                    await responses.WriteAsync(new StreamingOutputCallResponse());
                    await requests.MoveNext();
                }
            },
            configure: builder => builder.Services.AddSingleton<TimeProvider>(time));
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.DuplexPath, endStream: false, ("grpc-timeout", "5S"));
        Assert.Equal(Http2FrameType.Headers, (await connection.ReadAsync().Within())!.Type);
        Assert.Equal(EmptyMessage, (await connection.ReadAsync().Within())!.Payload);

        time.Advance(TimeSpan.FromSeconds(5));

        var frames = await connection.ReadStreamAsync(1).Within();
        Assert.Equal("4", frames[0].Header("grpc-status"));
    }

    [Theory]
    [InlineData("1")] // no unit
    [InlineData("m")] // no number
    [InlineData("1x")] // no such unit
    [InlineData("-1m")] // a sign
    [InlineData("123456789m")] // nine digits
    [InlineData("1.5S")] // a fraction
    public async Task MalformedTimeout_IsInternal(string timeout)
    {
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService());
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath, endStream: false, ("grpc-timeout", timeout));
        await connection.SendDataAsync(1, EmptyMessage, endStream: true);

        var frame = (await connection.ReadStreamAsync(1).Within())[0];

        Assert.Equal("13", frame.Header("grpc-status"));
        Assert.Contains("1 to 8 digits", frame.Header("grpc-message"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResetByTheClient_CancelsTheHandler_AndTheConnectionLives()
    {
        var isStarted = new TaskCompletionSource();
        var isCancelled = new TaskCompletionSource();
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) => Task.FromResult(new Empty()),
            OnDuplex = async (_, _, context) =>
            {
                isStarted.SetResult();
                await using var registration = context.CancellationToken.Register(isCancelled.SetResult);
                await isCancelled.Task;
                context.CancellationToken.ThrowIfCancellationRequested();
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.DuplexPath);
        await isStarted.Task.Within();

        await connection.WriteAsync(
        [
            0, 0, 4, // 4 bytes
            3, // RST_STREAM
            0, // no flags
            0, 0, 0, 1, // stream 1
            0, 0, 0, 8 // CANCEL
        ]);

        await isCancelled.Task.Within();
        await RequestWireTests.AssertAnswersAsync(connection, streamId: 3);
        Assert.Empty(server.Errors);
    }

    [Fact]
    public async Task ResetWhileTheHandlerReads_IsACancellation_AndNoError()
    {
        var thrown = new List<Exception>();
        var started = 0;
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = (_, _) => Task.FromResult(new Empty()),
            OnDuplex = async (requests, _, _) =>
            {
                Interlocked.Increment(ref started);
                try
                {
                    while (await requests.MoveNext())
                    {
                    }
                }
                catch (Exception exception)
                {
                    lock (thrown)
                    {
                        thrown.Add(exception);
                    }

                    throw;
                }
            }
        });
        const int Calls = 200;
        await using var connection = await Http2Connection.ConnectAsync(server.Port);

        for (var i = 0; i < Calls; i++)
        {
            await connection.SendRequestAsync(4 * i + 1, ScriptedService.DuplexPath);
            await connection.SendDataAsync(4 * i + 1, EmptyMessage, endStream: false);
            await Eventually.TrueAsync(() => Volatile.Read(ref started) == i + 1, "the handler runs");
            await connection.SendResetAsync(4 * i + 1, errorCode: 8); // CANCEL
            await RequestWireTests.AssertAnswersAsync(connection, 4 * i + 3);
        }

        await Eventually.TrueAsync(() => Count() == Calls, "every handler has thrown");
        Assert.All(thrown, exception => Assert.IsAssignableFrom<OperationCanceledException>(exception));
        Assert.Empty(server.Errors);

        int Count()
        {
            lock (thrown)
            {
                return thrown.Count;
            }
        }
    }

    [Fact]
    public async Task ConnectionLoss_CancelsTheHandler()
    {
        var isStarted = new TaskCompletionSource();
        var isCancelled = new TaskCompletionSource();
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnInput = async (requests, context) =>
            {
                isStarted.SetResult();
                try
                {
                    await requests.MoveNext();
                }
                finally
                {
                    await Eventually.TrueAsync(() => context.CancellationToken.IsCancellationRequested, "cancelled");
                    isCancelled.SetResult();
                }

                return new StreamingInputCallResponse();
            }
        });
        await using (var connection = await Http2Connection.ConnectAsync(server.Port))
        {
            await connection.SendRequestAsync(1, ScriptedService.InputPath);
            await isStarted.Task.Within();
        }

        await isCancelled.Task.Within();
        Assert.Empty(server.Errors);
    }
}
