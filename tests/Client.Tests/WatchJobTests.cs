using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.AspNetCore.Connections.Features;
using Serving.Testing;
using Serving.V1;

namespace Serving.Client.Tests;

public sealed class WatchJobTests
{
    [Fact]
    public async Task LostConnection_GoesOnAtItsCursor()
    {
        var cursors = new ConcurrentQueue<long>();
        var seen = 0L;
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnWatch = async (request, events, context) =>
            {
                cursors.Enqueue(request.Cursor);
                for (var number = request.Cursor + 1; number <= 10; number++)
                {
                    await events.WriteAsync(new() { Number = number });
                    if (number % 4 != 0)
                        continue;
                    await Eventually.TrueAsync(() => Interlocked.Read(ref seen) == number, "the client has it");
                    // The connection breaks.
                    context.GetHttpContext().Features.Get<IConnectionLifetimeFeature>()!.Abort();
                    return;
                }
            }
        });
        var time = new TestTimeProvider();
        using var client = new ServingClient(server.Options() with { MaxAttempts = 1, Time = time });
        using var stop = new CancellationTokenSource();
        var moving = MoveAsync();

        var numbers = new List<long>();
        await WatchAsync().Within();

        await stop.CancelAsync();
        await moving.Within();
        Assert.Equal(Enumerable.Range(1, 10).Select(number => (long)number), numbers);
        Assert.Equal([0L, 4, 8], cursors);

        async Task WatchAsync()
        {
            await foreach (var one in client.WatchJobAsync("j"))
            {
                numbers.Add(one.Number);
                Interlocked.Exchange(ref seen, one.Number);
            }
        }

        async Task MoveAsync() // Time goes on while the client waits to connect again.
        {
            await Eventually.TrueAsync(
                () =>
                {
                    if (time.WaitingTimers > 0)
                        time.Advance(TimeSpan.FromSeconds(5));
                    return stop.IsCancellationRequested;
                },
                "the watch is over");
        }
    }

    [Fact]
    public async Task OtherFailures_EndIt()
    {
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnWatch = (_, _, _) => throw Failures.Of(StatusCode.NotFound)
        });
        using var client = new ServingClient(server.Options());

        await using var events = client.WatchJobAsync("j").GetAsyncEnumerator();
        var failure = await Assert.ThrowsAsync<RpcException>(() => events.MoveNextAsync().AsTask().Within());

        Assert.Equal(StatusCode.NotFound, failure.StatusCode);
    }
}
