using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.DependencyInjection;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>However calls end, nothing of them stays behind and nothing is computed for nobody.</summary>
public class PermitTests
{
    public enum Ending
    {
        Ok,
        Cancel,
        Deadline,
        Error,
        Disconnect
    }

    public static TheoryData<Ending, bool> Cases
    {
        get
        {
            var cases = new TheoryData<Ending, bool>();
            foreach (var ending in Enum.GetValues<Ending>())
            {
                cases.Add(ending, false);
                cases.Add(ending, true);
            }

            return cases;
        }
    }

    private protected virtual GatedBackend NewBackend() => new();

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task Call_HoweverItEnds_LeavesNothing(Ending ending, bool isStream)
    {
        await using var server = await TestServer.StartAsync(NewBackend());
        server.Backend.Close();
        var running = server.Client.ClassifyAsync(["a"], ["t"]);
        await server.PassBeganAsync();
        using var other = new Client.ServingClient(server.Address);
        using var cancellation = new CancellationTokenSource();
        var text = ending == Ending.Error ? "x" : "b";
        var deadline = ending == Ending.Deadline ? DateTime.UtcNow.AddMilliseconds(100) : (DateTime?)null;
        var call = isStream
            ? StreamAsync(other, text, deadline, cancellation.Token)
            : UnaryAsync(other, text, deadline, cancellation.Token);
        if (ending != Ending.Deadline)
            await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 1, "the call waits");
        switch (ending)
        {
            case Ending.Cancel:
                await cancellation.CancelAsync();
                break;
            case Ending.Disconnect:
                other.Dispose();
                break;
            case Ending.Error:
                server.Backend.PoisonToken = 66; // "x"
                break;
        }

        if (ending is Ending.Ok or Ending.Error)
        {
            server.Backend.Open();
            await call.Within();
        }
        else
        {
            await call.Within();
            await Eventually.TrueAsync(
                () => server.Engine.QueuedRequests == 0, "it left the queue while the batch still runs");
            server.Backend.Open();
        }

        await running.Within();
        await server.NothingIsLeftAsync();

        async Task UnaryAsync(Client.ServingClient client, string input, DateTime? due, CancellationToken cancelled)
        {
            try
            {
                await client.Classifier.ClassifyAsync(
                    new() { Inputs = { new TextInput { Text = input } }, Tasks = { new TaskReference { Task = "t" } } },
                    deadline: due,
                    cancellationToken: cancelled);
                Assert.Equal(Ending.Ok, ending);
            }
            catch (Exception exception) when (exception is RpcException or OperationCanceledException)
            {
                Assert.NotEqual(Ending.Ok, ending);
                if (ending == Ending.Deadline)
                    Assert.Equal(StatusCode.DeadlineExceeded, Assert.IsType<RpcException>(exception).StatusCode);
            }
        }

        async Task StreamAsync(Client.ServingClient client, string input, DateTime? due, CancellationToken cancelled)
        {
            try
            {
                using var stream = client.Classifier.ClassifyStream(deadline: due, cancellationToken: cancelled);
                await stream.RequestStream.WriteAsync(
                    new() { Input = new() { Text = input }, Tasks = { new TaskReference { Task = "t" } } },
                    CancellationToken.None);
                Assert.True(await stream.ResponseStream.MoveNext(CancellationToken.None));
                Assert.Equal(ending == Ending.Ok, stream.ResponseStream.Current.Error is null);
                await stream.RequestStream.CompleteAsync();
                Assert.False(await stream.ResponseStream.MoveNext(CancellationToken.None));
            }
            catch (Exception exception) when (exception is RpcException or OperationCanceledException)
            {
                Assert.NotEqual(Ending.Ok, ending);
            }
        }
    }

    [Fact]
    public async Task ThousandShortDeadlines_CostNoForwardPass()
    {
        await using var server = await TestServer.StartAsync(NewBackend());
        server.Backend.Close();
        var running = server.Client.ClassifyAsync(["a"], ["t"]);
        await server.PassBeganAsync();
        var passes = server.Backend.Passes.Count;

        // The client's own clock stands still: it is the server that ends every call, so that none is still on its way.
        var time = new TestTimeProvider();
        await using var services = new ServiceCollection().AddSingleton<TimeProvider>(time).BuildServiceProvider();
        using var channel = GrpcChannel.ForAddress(
            server.Address, new GrpcChannelOptions { ServiceProvider = services });
        var client = new Classifier.ClassifierClient(channel);
        var calls = Enumerable.Range(0, 1000).Select(_ => client.ClassifyAsync(
            new() { Inputs = { new TextInput { Text = "b" } }, Tasks = { new TaskReference { Task = "t" } } },
            deadline: time.GetUtcNow().UtcDateTime.AddMilliseconds(5)).ResponseAsync).ToList();
        foreach (var call in calls)
        {
            var exception = await Assert.ThrowsAsync<RpcException>(() => call.Within());
            Assert.Contains(exception.StatusCode, new[] { StatusCode.DeadlineExceeded, StatusCode.ResourceExhausted });
        }

        await Eventually.TrueAsync(
            () => server.Engine.QueuedRequests == 0, "all have left the queue while the batch still runs");
        server.Backend.Open();
        await running.Within();
        Assert.Equal(passes, server.Backend.Passes.Count);
        await server.NothingIsLeftAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Shutdown_FinishesWhatIsInFlight(bool isStream)
    {
        await using var server = await TestServer.StartAsync(NewBackend());
        server.Backend.Close();
        using var stream = server.Client.Classifier.ClassifyStream();
        var unary = isStream ? null : server.Client.ClassifyAsync(["a"], ["t"]);
        if (isStream)
            await stream.RequestStream.WriteAsync(
                new() { Id = 7, Input = new() { Text = "a" }, Tasks = { new TaskReference { Task = "t" } } });
        await server.PassBeganAsync();
        var engine = server.Engine;

        var stopping = server.StopAsync();
        Assert.False(stopping.IsCompleted);
        server.Backend.Open();

        if (unary is not null)
        {
            Assert.Single((await unary.Within()).Results);
            stream.Dispose(); // An open call of nothing would end with the hard limit only.
        }
        else
        {
            Assert.True(await stream.ResponseStream.MoveNext(CancellationToken.None).Within());
            Assert.Equal((7, true), (stream.ResponseStream.Current.Id, stream.ResponseStream.Current.Error is null));
            var ended = await Assert.ThrowsAsync<RpcException>(
                () => stream.ResponseStream.MoveNext(CancellationToken.None).Within());
            Assert.Equal(StatusCode.Unavailable, ended.StatusCode);
        }

        await stopping.Within();
        Assert.Equal((0, 0), (engine.QueuedRequests, engine.QueuedTokens));
    }

    [Fact]
    public async Task Overload_RejectsAtOnce_WithRetryInfo_AndLeavesRoomForOtherTasks()
    {
        await using var server = await TestServer.StartAsync(NewBackend(), "--Server:MaxQueuedRequests=10");
        server.Backend.Close();
        var running = server.Client.ClassifyAsync(["a"], ["t"]);
        await server.PassBeganAsync();
        var greedy = Enumerable.Range(0, 50).Select(_ => server.Client.ClassifyAsync(["b"], ["t"])).ToList();
        await Eventually.TrueAsync(
            () => greedy.Count(call => call.IsFaulted) == 42, "all but eight are turned away while nothing runs");

        var rejected = Assert.IsType<RpcException>(greedy.First(call => call.IsFaulted).Exception!.InnerException);
        Assert.Equal(StatusCode.ResourceExhausted, rejected.StatusCode);
        Assert.True(
            rejected.GetRpcStatus()!.GetDetail<Google.Rpc.RetryInfo>()!.RetryDelay.ToTimeSpan() > TimeSpan.Zero);
        var modest = server.Client.ClassifyAsync(["c"], ["u"]);
        await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 9, "the other task's call waits");
        server.Backend.Open();
        await Task.WhenAll(greedy.Where(call => !call.IsFaulted).Append(modest).Append(running)).Within();
    }

    [Fact]
    public async Task Call_ThatFailsBeforeItWaits_GivesItsPlaceBack()
    {
        await using var server = await TestServer.StartAsync(NewBackend(), "--Server:MaxQueuedRequests=1");
        for (var i = 0; i < 3; i++)
        {
            var outOfRange = await Assert.ThrowsAsync<RpcException>(() => ClassifyAsync("a", priority: 1000, "t"));
            Assert.Equal(StatusCode.InvalidArgument, outOfRange.StatusCode);
            var unknown = await Assert.ThrowsAsync<RpcException>(() => ClassifyAsync("a", priority: 0, "t", "none"));
            Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
            var empty = await Assert.ThrowsAsync<RpcException>(() => ClassifyAsync("", priority: 0, "t"));
            Assert.Equal(StatusCode.InvalidArgument, empty.StatusCode);
        }

        Assert.Single((await ClassifyAsync("a", priority: 0, "t")).Results);

        Task<ClassifyResponse> ClassifyAsync(string text, int priority, params string[] tasks) =>
            server.Client.Classifier.ClassifyAsync(new()
            {
                Inputs = { new TextInput { Text = text } },
                Tasks = { tasks.Select(task => new TaskReference { Task = task }) },
                Priority = priority
            }).ResponseAsync.Within();
    }
}
