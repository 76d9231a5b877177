using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Serving.Server.Telemetry;

/// <summary>OpenTelemetry over OTLP, set by the standard OTEL_ variables; without an endpoint nothing of it runs.</summary>
internal static class TelemetryExtensions
{
    private const string ServiceName = "serving";

    private static readonly string[] Endpoints =
    [
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
    ];

    private static readonly string[] Meters =
    [
        "Serving.Inference", ServerMetrics.Meter, "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime"
    ];

    public static void AddTelemetry(this WebApplicationBuilder builder)
    {
        var configuration = builder.Configuration;
        if (string.Equals(configuration["OTEL_SDK_DISABLED"], "true", StringComparison.OrdinalIgnoreCase)
            || !Endpoints.Any(name => !string.IsNullOrEmpty(configuration[name])))
            return;
        builder.Services
            .AddSingleton(_ => Sdk.CreateTracerProviderBuilder()
                .ConfigureResource(Describe)
                .AddSource("Microsoft.AspNetCore", "Serving.Inference")
                .AddOtlpExporter()
                .Build())
            .AddSingleton(_ => Sdk.CreateMeterProviderBuilder()
                .ConfigureResource(Describe)
                .AddMeter(Meters)
                .AddOtlpExporter()
                .Build())
            .AddHostedService<TelemetryLifetime>();
        builder.Logging.AddOpenTelemetry(logs => logs
            .SetResourceBuilder(ResourceBuilder.CreateDefault().AddService(Name()))
            .AddOtlpExporter());
    }

    private static void Describe(ResourceBuilder resource) => resource.AddService(Name());

    private static string Name() => Environment.GetEnvironmentVariable("OTEL_SERVICE_NAME") is { Length: > 0 } name
        ? name
        : ServiceName;

    /// <summary>Makes the providers before the first call; the container disposes them, which sends what is left.</summary>
    private sealed class TelemetryLifetime(TracerProvider traces, MeterProvider metrics) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
        {
            traces.ForceFlush();
            metrics.ForceFlush();
            return Task.CompletedTask;
        }
    }
}
