using Grpc.Core;
using Grpc.Health.V1;
using Serving.Server.Tests.Wire;
using Serving.Testing;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Server.Tests;

public sealed class HealthTests
{
    private static readonly string[] Known =
    [
        "", "liveness", "devices/cpu", "tasks/t", "tasks/u",
        "serving.v1.Classifier", "serving.v1.Embedder", "serving.v1.Generator", "serving.v1.Tasks", "serving.v1.Models",
        "serving.v1.Datasets", "serving.v1.Jobs"
    ];

    [Fact]
    public async Task Check_KnowsTheServer_ItsServices_AndItsTasks()
    {
        await using var server = await TestServer.StartAsync();
        foreach (var name in Known)
        {
            var status = (await server.Client.Health.CheckAsync(new() { Service = name })).Status;
            Assert.Equal((name, ServingStatus.Serving), (name, status));
        }

        foreach (var name in (string[])["nope", "tasks/nope", "t"])
        {
            var exception = await Assert.ThrowsAsync<RpcException>(
                () => server.Client.Health.CheckAsync(new() { Service = name }).ResponseAsync);
            Assert.Equal((name, StatusCode.NotFound), (name, exception.StatusCode));
        }
    }

    [Fact]
    public async Task Watch_PushesEachChange_AlsoOfWhatIsNotKnownYet()
    {
        await using var server = await TestServer.StartAsync();
        using var watch = server.Client.Health.Watch(new() { Service = "tasks/new" });
        Assert.Equal(ServingStatus.ServiceUnknown, await NextAsync(watch));

        var version = (await server.Client.ImportTaskAsync(
            new V1.ImportHeader { Task = "new", NoAlias = true }, server.Data.WriteVersion(seed: 3))).Version;
        Assert.Equal(ServingStatus.NotServing, await NextAsync(watch)); // No alias.
        await server.Client.Tasks.SetAliasAsync(new() { Task = "u", Remove = true }); // Somebody else's.
        await server.Client.Tasks.SetAliasAsync(new() { Task = "new", Version = version });
        Assert.Equal(ServingStatus.Serving, await NextAsync(watch));
        await server.Client.Tasks.SetAliasAsync(new() { Task = "new", Remove = true });
        Assert.Equal(ServingStatus.NotServing, await NextAsync(watch));
        await server.Client.Tasks.DeleteTaskVersionAsync(new() { Task = "new", Version = version });
        Assert.Equal(ServingStatus.ServiceUnknown, await NextAsync(watch));
    }

    [Fact]
    public async Task Watch_EndsWhenTheServerStops_AfterNotServing()
    {
        await using var server = await TestServer.StartAsync();
        using var whole = server.Client.Health.Watch(new());
        using var task = server.Client.Health.Watch(new() { Service = "tasks/t" });
        AsyncServerStreamingCall<HealthCheckResponse>[] watches = [whole, task];
        foreach (var watch in watches)
            Assert.Equal(ServingStatus.Serving, await NextAsync(watch));

        await server.StopAsync().Within();

        foreach (var watch in watches)
        {
            Assert.Equal(ServingStatus.NotServing, await NextAsync(watch));
            try
            {
                while (await watch.ResponseStream.MoveNext(default).Within())
                    Assert.Equal(ServingStatus.NotServing, watch.ResponseStream.Current.Status);
            }
            catch (RpcException exception)
            {
                Assert.Contains(exception.StatusCode, new[] { StatusCode.Unavailable, StatusCode.Cancelled });
            }
        }

        Assert.Empty(server.Logs.Errors);
    }

    [Fact]
    public async Task WhileModelsLoad_TheServerLives_ButDoesNotServe()
    {
        await using var server = TestServer.Begin(new DataFolder());
        server.Backend.Close(); // Its warming up waits.
        await server.StartListeningAsync();
        Assert.Equal(
            ServingStatus.Serving, (await server.Client.Health.CheckAsync(new() { Service = "liveness" })).Status);
        using var watch = server.Client.Health.Watch(new());
        Assert.Equal(ServingStatus.NotServing, await NextAsync(watch));
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        var refused = await WireServer.CallAsync(
            connection, 1, WireServer.Classify, WireServer.Frame(WireServer.Request()));
        Assert.Equal("14", refused[^1].Header("grpc-status")); // UNAVAILABLE
        Assert.Equal("The server is starting; retry, or watch its health.", refused[^1].Header("grpc-message"));

        server.Backend.Open();

        Assert.Equal(ServingStatus.Serving, await NextAsync(watch));
        Assert.Empty(server.Logs.Errors);
    }

    private static async Task<ServingStatus> NextAsync(AsyncServerStreamingCall<HealthCheckResponse> watch)
    {
        Assert.True(await watch.ResponseStream.MoveNext(default).Within());
        return watch.ResponseStream.Current.Status;
    }
}
