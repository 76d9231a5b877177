using System.Diagnostics;
using Google.Protobuf;
using Grpc.Core;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Trace;
using Serving.EndToEnd.Tests.Otlp;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>What a collector gets of a call.</summary>
public sealed class TelemetryTests
{
    [Fact]
    public async Task OneCall_IsOneTrace_FromTheClientToTheBatch()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data, flags: null, receiver.Environment);
        await server.Client.ImportTaskAsync("t", data.WriteVersion(seed: 1), alias: "production");
        string trace;
        using (var client = Sdk.CreateTracerProviderBuilder()
            .AddSource("Serving.Client")
            .AddOtlpExporter(otlp =>
            {
                otlp.Endpoint = new Uri(receiver.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"]);
                otlp.Protocol = OtlpExportProtocol.Grpc;
            })
            .Build())
        {
            trace = await ClassifyAsync(server.Client);
        }

        IReadOnlyList<(string Scope, Span Span)> Spans() =>
            [.. receiver.All.Spans.Where(pair => Convert.ToHexStringLower(pair.Span.TraceId.Span) == trace)];
        const string call = "serving.v1.Classifier/Classify";
        string[] names = ["batch", "forward", "queue", call, call, "tokenize"];
        await Eventually.TrueAsync(() => Spans().Count >= names.Length, "all spans have come");
        Assert.Equal(names, Spans().Select(pair => pair.Span.Name).Order(StringComparer.Ordinal));

        var byKind = Spans().Where(pair => pair.Span.Name.Contains('/')).ToDictionary(
            pair => pair.Scope, pair => pair.Span);
        var (clientSpan, serverSpan) = (byKind["Serving.Client"], byKind["Microsoft.AspNetCore"]);
        Assert.Equal((3, 2), (clientSpan.Kind, serverSpan.Kind)); // CLIENT, SERVER
        Assert.Equal(clientSpan.SpanId, serverSpan.ParentSpanId);
        Assert.Equal("serving.v1.Classifier", Attribute(serverSpan, "rpc.service"));
        Assert.Equal("grpc", Attribute(serverSpan, "rpc.system"));
        var inner = Spans().Where(pair => pair.Scope == "Serving.Inference").ToDictionary(
            pair => pair.Span.Name, pair => pair.Span);
        Assert.All(inner.Values, span => Assert.Equal(serverSpan.SpanId, span.ParentSpanId));
        Assert.Equal(serverSpan.SpanId, inner["batch"].Links.Single().SpanId);
        Assert.Equal(inner["batch"].SpanId, inner["forward"].Links.Single().SpanId);
        Assert.True(inner["queue"].EndTimeUnixNano <= inner["forward"].EndTimeUnixNano);
    }

    [Fact]
    public async Task Metrics_ComeUnderTheNamesThatTheDocumentationLists()
    {
        await using var receiver = await OtlpReceiver.StartAsync();
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data, flags: null, receiver.Environment);
        var client = server.Client;
        await client.ImportTaskAsync("t", data.WriteVersion(seed: 1), alias: "production");
        var shadow = (await client.ImportTaskAsync("t", data.WriteVersion(seed: 2))).Version;
        await client.Tasks.SetAliasAsync(new() { Task = "t", ShadowVersion = shadow });
        await client.ClassifyAsync(["a", "b c"], ["t"]);

        string[] expected =
        [
            "rpc.server.duration", "serving.task.requests", "serving.shadow.requests", "serving.queue.duration",
            "serving.queue.requests", "serving.queue.tokens", "serving.batch.duration", "serving.batch.branches",
            "serving.batch.tokens", "serving.batch.padding_saved", "serving.memory.usage"
        ];
        await Eventually.TrueAsync(() => expected.All(receiver.All.Metrics.ContainsKey), "all metrics have come");
        var documentation = await File.ReadAllTextAsync(
            Path.Combine(ToolFactAttribute.Repository, "docs", "observability.md"));
        Assert.All(
            receiver.All.Metrics.Keys.Where(name => name.StartsWith("serving.", StringComparison.Ordinal)),
            name => Assert.Contains($"`{name}`", documentation, StringComparison.Ordinal));
        await Eventually.TrueAsync(() => receiver.All.Logs.Any(
            log => log.Body.StringValue.StartsWith("Ready", StringComparison.Ordinal)), "logs have come");
    }

    /// <returns>The trace that the call is in.</returns>
    private static async Task<string> ClassifyAsync(Client.ServingClient client)
    {
        using var caller = new Activity("caller") { ActivityTraceFlags = ActivityTraceFlags.Recorded };
        caller.SetIdFormat(ActivityIdFormat.W3C).Start();
        await client.ClassifyAsync(["a b"], ["t"]);
        return caller.TraceId.ToHexString();
    }

    private static string Attribute(Span span, string key) =>
        span.Attributes.Single(attribute => attribute.Key == key).Value.StringValue;
}
