using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Serving.EndToEnd.Tests.Otlp;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>A collector that speaks OTLP/gRPC and keeps what it gets.</summary>
internal sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly GrpcTestServer _server;

    private OtlpReceiver(GrpcTestServer server, Received received)
    {
        _server = server;
        All = received;
    }

    public Received All { get; }

    /// <summary>What makes a server send to it, at short intervals.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = _server.Address,
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
        ["OTEL_BLRP_SCHEDULE_DELAY"] = "100",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "200"
    };

    public static async Task<OtlpReceiver> StartAsync()
    {
        var received = new Received();
        var server = await GrpcTestServer.StartAsync(
            builder =>
            {
                builder.Services.AddSingleton(received);
                builder.Services.AddGrpc();
            },
            app =>
            {
                app.MapGrpcService<Traces>();
                app.MapGrpcService<Metrics>();
                app.MapGrpcService<Logs>();
            });
        return new(server, received);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    public sealed class Received
    {
        public ConcurrentQueue<(string Scope, Span Span)> Spans { get; } = new();

        public ConcurrentDictionary<string, string> Metrics { get; } = new(StringComparer.Ordinal);

        public ConcurrentQueue<LogRecord> Logs { get; } = new();
    }

    private sealed class Traces(Received received) : TraceService.TraceServiceBase
    {
        public override Task<ExportTraceServiceResponse> Export(ExportTraceServiceRequest request, ServerCallContext context)
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
        public override Task<ExportMetricsServiceResponse> Export(ExportMetricsServiceRequest request, ServerCallContext context)
        {
            foreach (var metric in request.ResourceMetrics.SelectMany(resource => resource.ScopeMetrics).SelectMany(scope => scope.Metrics))
                received.Metrics[metric.Name] = metric.Unit;
            return Task.FromResult(new ExportMetricsServiceResponse());
        }
    }

    private sealed class Logs(Received received) : LogsService.LogsServiceBase
    {
        public override Task<ExportLogsServiceResponse> Export(ExportLogsServiceRequest request, ServerCallContext context)
        {
            foreach (var record in request.ResourceLogs.SelectMany(resource => resource.ScopeLogs).SelectMany(scope => scope.LogRecords))
                received.Logs.Enqueue(record);
            return Task.FromResult(new ExportLogsServiceResponse());
        }
    }
}
