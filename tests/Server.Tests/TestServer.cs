using Grpc.Health.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Serving.Client;
using Serving.Inference;
using Serving.Server.Catalog;
using Serving.Tensors;
using Serving.Testing;

namespace Serving.Server.Tests;

/// <summary>The server in the test's process, with forward passes that a test can hold up.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestServer(DataFolder data, WebApplication app, GatedBackend backend)
    {
        Data = data;
        _app = app;
        Backend = backend;
        Client = new(new ServingClientOptions { Addresses = [new Uri(app.Urls.First())], MaxAttempts = 1 });
    }

    public DataFolder Data { get; }

    public GatedBackend Backend { get; }

    public ServingClient Client { get; }

    public IServiceProvider Services => _app.Services;

    public string Address => _app.Urls.First();

    public TaskCatalog Catalog => _app.Services.GetRequiredService<TaskCatalog>();

    public ClassificationEngine Engine => Catalog.Table.Models.Values.Single().Engine;

    /// <summary>Starts a server with one model and the tasks "t" and "u".</summary>
    public static async Task<TestServer> StartAsync(params string[] flags)
    {
        var server = await RestartAsync(new DataFolder(), flags);
        await server.Client.ImportTaskAsync("t", server.Data.WriteVersion(seed: 1), alias: "production");
        await server.Client.ImportTaskAsync("u", server.Data.WriteVersion(seed: 2), alias: "production");
        return server;
    }

    /// <summary>Starts a server on what there is.</summary>
    public static async Task<TestServer> RestartAsync(DataFolder data, params string[] flags)
    {
        var backend = new GatedBackend();
        var app = ServerApplication.Build(
            ["--port", "0", "--data", data.Path, "--Logging:LogLevel:Default=None", .. flags],
            services => services.AddSingleton<Func<TensorBackend>>(() => backend));
        await app.StartAsync();
        var server = new TestServer(data, app, backend);
        using var watch = server.Client.Health.Watch(new());
        while (await watch.ResponseStream.MoveNext(CancellationToken.None).Within()
            && watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving)
        {
        }

        backend.ForgetPasses(); // Those of the start.
        return server;
    }

    /// <summary>Nothing of any request is left: no place in the queue, no use of a version.</summary>
    public async Task NothingIsLeftAsync()
    {
        Assert.Equal((0, 0), (Engine.QueuedRequests, Engine.QueuedTokens));
        var version = (await Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        await Client.Tasks.SetAliasAsync(new() { Task = "t", Remove = true });
        await Client.Tasks.UnloadTaskAsync(new() { Task = "t", Version = version }).ResponseAsync.Within(); // Waits for every user.
        await Client.Tasks.SetAliasAsync(new() { Task = "t", Version = version });
    }

    /// <summary>Waits for a pass of a request.</summary>
    public Task PassBeganAsync() => Backend.PassBeganAsync();

    public Task StopAsync() => _app.StopAsync();

    /// <summary>Ends the server, so that another can use its data.</summary>
    public async Task EndAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Backend.Open();
        Client.Dispose();
        await EndAsync();
        Data.Dispose();
    }
}
