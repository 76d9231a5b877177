using System.Net;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Serving.V1;

namespace Serving.Client.Tests;

/// <summary>A gRPC server of which the test writes the answers.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ScriptedServer(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());

    /// <param name="port">0 for a free one.</param>
    public static async Task<ScriptedServer> StartAsync(Script script, int port = 0)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, port, endpoint => endpoint.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton(script);
        var app = builder.Build();
        app.MapGrpcService<ScriptedClassifier>();
        app.MapGrpcService<ScriptedEmbedder>();
        app.MapGrpcService<ScriptedModels>();
        app.MapGrpcService<ScriptedJobs>();
        await app.StartAsync();
        return new(app);
    }

    public ServingClientOptions Options() => new() { Addresses = [Address] };

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private sealed class ScriptedClassifier(Script script) : Classifier.ClassifierBase
    {
        public override Task<ClassifyResponse> Classify(ClassifyRequest request, ServerCallContext context) =>
            script.OnClassify(request, context);
    }

    private sealed class ScriptedEmbedder(Script script) : Embedder.EmbedderBase
    {
        public override Task<EmbedResponse> Embed(EmbedRequest request, ServerCallContext context) =>
            script.OnEmbed(request, context);
    }

    private sealed class ScriptedModels(Script script) : Models.ModelsBase
    {
        public override Task<Limits> GetLimits(GetLimitsRequest request, ServerCallContext context) =>
            script.OnLimits(context);
    }

    private sealed class ScriptedJobs(Script script) : Jobs.JobsBase
    {
        public override Task WatchJob(
            WatchJobRequest request, IServerStreamWriter<JobEvent> events, ServerCallContext context) =>
            script.OnWatch(request, events, context);
    }
}

/// <summary>What a <see cref="ScriptedServer"/> does; what a test does not set is never called.</summary>
internal sealed class Script
{
    public Func<ClassifyRequest, ServerCallContext, Task<ClassifyResponse>> OnClassify { get; init; } =
        (_, _) => throw new NotSupportedException();

    public Func<EmbedRequest, ServerCallContext, Task<EmbedResponse>> OnEmbed { get; init; } =
        (_, _) => throw new NotSupportedException();

    public Func<ServerCallContext, Task<Limits>> OnLimits { get; init; } = _ => throw new NotSupportedException();

    public Func<WatchJobRequest, IServerStreamWriter<JobEvent>, ServerCallContext, Task> OnWatch { get; init; } =
        (_, _, _) => throw new NotSupportedException();
}
