using System.Collections.Concurrent;
using System.Net;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Serving.EndToEnd.Tests.Otlp;

namespace Serving.EndToEnd.Tests;

/// <summary>A collector that speaks OTLP/gRPC and keeps what it gets.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver(WebApplication app, Received received)
    {
        _app = app;
        All = received;
    }

    public Received All { get; }

    /// <summary>What makes a server send to it, at short intervals.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = _app.Urls.First(),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
        ["OTEL_BLRP_SCHEDULE_DELAY"] = "100",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "200"
    };

    public static async Task<OtlpReceiver> StartAsync()
    {
        var received = new Received();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.Protocols = HttpProtocols.Http2));
        builder.Services.AddSingleton(received);
        builder.Services.AddGrpc();
        var app = builder.Build();
        app.MapGrpcService<Traces>();
        app.MapGrpcService<Metrics>();
        app.MapGrpcService<Logs>();
        await app.StartAsync();
        return new(app, received);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    public sealed class Received
    {
        public ConcurrentQueue<(string Scope, Span Span)> Spans { get; } = new();

        public ConcurrentDictionary<string, string> Metrics { get; } = new(StringComparer.Ordinal);

        public ConcurrentQueue<LogRecord> Logs { get; } = new();
    }

    private sealed class Traces(Received received) : TraceService.TraceServiceBase
    {
        public override Task<ExportTraceServiceResponse> Export(
            ExportTraceServiceRequest request, ServerCallContext context)
        {
            foreach (var scope in request.ResourceSpans.SelectMany(resource => resource.ScopeSpans))
            {
                foreach (var span in scope.Spans)
                    received.Spans.Enqueue((scope.Scope.Name, span));
            }

            return Task.FromResult(new ExportTraceServiceResponse());
        }
    }

    private sealed class Metrics(Received received) : MetricsService.MetricsServiceBase
    {
        public override Task<ExportMetricsServiceResponse> Export(
            ExportMetricsServiceRequest request, ServerCallContext context)
        {
            foreach (var metric in request.ResourceMetrics.SelectMany(resource => resource.ScopeMetrics).SelectMany(
                scope => scope.Metrics))
                received.Metrics[metric.Name] = metric.Unit;
            return Task.FromResult(new ExportMetricsServiceResponse());
        }
    }

    private sealed class Logs(Received received) : LogsService.LogsServiceBase
    {
        public override Task<ExportLogsServiceResponse> Export(
            ExportLogsServiceRequest request, ServerCallContext context)
        {
            foreach (var record in request.ResourceLogs.SelectMany(resource => resource.ScopeLogs).SelectMany(
                scope => scope.LogRecords))
                received.Logs.Enqueue(record);
            return Task.FromResult(new ExportLogsServiceResponse());
        }
    }
}
