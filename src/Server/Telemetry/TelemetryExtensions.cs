using System.Diagnostics;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Serving.Server.Configuration;

namespace Serving.Server.Telemetry;

/// <summary>
/// OpenTelemetry: OTLP, set by the standard OTEL_ variables, and /metrics for Prometheus. What is not asked for does
/// not run.
/// </summary>
internal static class TelemetryExtensions
{
    private const string ServiceName = "serving";

    private static readonly string[] OwnMeters = ["Serving.Inference", ServerMetrics.Meter];

    private static readonly string[] Endpoints =
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
    ];

    public static void AddTelemetry(this WebApplicationBuilder builder, ServerOptions options)
    {
        var configuration = builder.Configuration;
        var exports = Endpoints.Any(name => !string.IsNullOrEmpty(configuration[name]))
            && !string.Equals(configuration["OTEL_SDK_DISABLED"], "true", StringComparison.OrdinalIgnoreCase);
        if (!exports && !options.Metrics)
            return;
        var telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(
                Environment.GetEnvironmentVariable("OTEL_SERVICE_NAME") is { Length: > 0 } name ? name : ServiceName))
            .WithMetrics(metrics =>
            {
                metrics.AddMeter(OwnMeters)
                    .AddAspNetCoreInstrumentation()
                    .AddHttpClientInstrumentation()
                    .AddRuntimeInstrumentation()
                    .AddProcessInstrumentation();
                if (options.Metrics)
                    metrics.AddPrometheusExporter();
                if (exports)
                    metrics.AddOtlpExporter();
            });
        if (!exports)
            return;
        telemetry
            .WithTracing(traces => traces
                .AddSource("Serving.Inference")
                .AddAspNetCoreInstrumentation(
                    requests => requests.EnrichWithHttpResponse = static (span, _) => NameByMethod(span))
                .AddHttpClientInstrumentation()
                .AddOtlpExporter())
            .WithLogging(logs => logs.AddOtlpExporter());
    }

    /// <summary>The instrumentation names spans by their route; that of a gRPC call goes by its method.</summary>
    private static void NameByMethod(Activity span)
    {
        if (span.GetTagItem("rpc.method") is { } method)
            span.DisplayName = $"{span.GetTagItem("rpc.service")}/{method}";
    }

    public static void MapTelemetry(this WebApplication app, ServerOptions options)
    {
        if (options.Metrics)
            app.MapPrometheusScrapingEndpoint();
    }
}
