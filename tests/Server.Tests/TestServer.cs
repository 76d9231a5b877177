using Grpc.Health.V1;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Client;
using Serving.Inference.Classification;
using Serving.Inference.Generation;
using Serving.Tensors;
using Serving.Testing;

namespace Serving.Server.Tests;

/// <summary>The server in the test's process, with forward passes that a test can hold up.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private ServingClient? _client;

    private TestServer(DataFolder data, WebApplication app, GatedBackend backend, LogCollector logs)
    {
        Data = data;
        Logs = logs;
        _app = app;
        Backend = backend;
    }

    public DataFolder Data { get; }

    public GatedBackend Backend { get; }

    /// <summary>What the server logged, by the levels that the product comes with.</summary>
    public LogCollector Logs { get; }

    public ServingClient Client =>
        _client ??= new(new ServingClientOptions { Addresses = [new Uri(Address)], MaxAttempts = 1 });

    public IServiceProvider Services => _app.Services;

    public string Address => _app.Urls.First();

    public int Port => new Uri(Address).Port;

    public int HttpPort => new Uri(ServerApplication.Urls(_app).Http!).Port;

    public TaskCatalog Catalog => _app.Services.GetRequiredService<TaskCatalog>();

    public ClassificationEngine Engine => Catalog.Table.Models.Values.OfType<EncoderHost>().Single().Engine;

    public GenerationEngine Generator => Catalog.Table.Models.Values.OfType<GeneratorHost>().Single().Engine;

    /// <summary>Starts a server with one model and the tasks "t" and "u".</summary>
    public static Task<TestServer> StartAsync(params string[] flags) => StartAsync(new GatedBackend(), flags);

    /// <param name="backend">What it computes on; the server's from now on.</param>
    public static async Task<TestServer> StartAsync(GatedBackend backend, params string[] flags)
    {
        var server = await RestartAsync(new DataFolder(), backend, flags);
        await server.Client.ImportTaskAsync("t", server.Data.WriteVersion(seed: 1), alias: "production");
        await server.Client.ImportTaskAsync("u", server.Data.WriteVersion(seed: 2), alias: "production");
        return server;
    }

    /// <summary>Starts a server on what there is.</summary>
    public static Task<TestServer> RestartAsync(DataFolder data, params string[] flags) =>
        RestartAsync(data, new GatedBackend(), flags);

    private static async Task<TestServer> RestartAsync(DataFolder data, GatedBackend backend, string[] flags)
    {
        var server = Begin(data, backend, flags);
        await server.StartListeningAsync();
        using var watch = server.Client.Health.Watch(new());
        while (await watch.ResponseStream.MoveNext(CancellationToken.None).Within()
            && watch.ResponseStream.Current.Status != HealthCheckResponse.Types.ServingStatus.Serving)
        {
        }

        server.Backend.ForgetPasses(); // Those of the start.
        return server;
    }

    /// <summary>A server that does nothing yet.</summary>
    public static TestServer Begin(DataFolder data, params string[] flags) => Begin(data, new GatedBackend(), flags);

    private static TestServer Begin(DataFolder data, GatedBackend backend, string[] flags)
    {
        var logs = new LogCollector();
        var app = ServerApplication.Build(
            [
                "--port", "0", "--data", data.Path, "--Logging:Console:LogLevel:Default=None",
                "--Server:TrainingRank=Normal", .. flags
            ],
            services => services
                .AddSingleton<TensorBackend>(_ => backend) // The services own what they make.
                .AddSingleton<ILoggerProvider>(logs));
        return new TestServer(data, app, backend, logs);
    }

    /// <summary>It listens from here on; models may still load.</summary>
    public Task StartListeningAsync() => _app.StartAsync();

    /// <summary>Nothing of any request is left: no place in the queue, no use of a version.</summary>
    public async Task NothingIsLeftAsync()
    {
        Assert.Equal((0, 0), (Engine.QueuedRequests, Engine.QueuedTokens));
        var version = (await Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        await Client.Tasks.SetAliasAsync(new() { Task = "t", Remove = true });
        // Waits for every user.
        await Client.Tasks.UnloadTaskAsync(new() { Task = "t", Version = version }).ResponseAsync.Within();
        await Client.Tasks.SetAliasAsync(new() { Task = "t", Version = version });
    }

    /// <summary>Waits for a pass of a request.</summary>
    public Task PassBeganAsync() => Backend.PassBeganAsync();

    public Task StopAsync(CancellationToken limit = default) => _app.StopAsync(limit);

    /// <summary>Ends the server, so that another can use its data.</summary>
    public async Task EndAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Backend.Open();
        _client?.Dispose();
        await EndAsync();
        Data.Dispose();
    }
}
