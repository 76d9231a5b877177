using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Serving.Bench;

/// <summary>A collector that takes all that comes over OTLP/gRPC and keeps only its size.</summary>
internal sealed class TelemetrySink : IAsyncDisposable
{
    private readonly WebApplication _app;
    private long _bytes;

    private TelemetrySink()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.Protocols = HttpProtocols.Http2));
        _app = builder.Build();
        _app.Run(TakeAsync);
    }

    /// <summary>What has come so far.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>What makes a server send to it.</summary>
    public (string Name, string Value)[] Environment =>
        [("OTEL_EXPORTER_OTLP_ENDPOINT", _app.Urls.First()), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];

    public static async Task<TelemetrySink> StartAsync()
    {
        var sink = new TelemetrySink();
        await sink._app.StartAsync();
        return sink;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>Any call's response is one empty message, which every collector's is if it took all.</summary>
    private async Task TakeAsync(HttpContext context)
    {
        var body = context.Request.BodyReader;
        while (true)
        {
            var read = await body.ReadAsync();
            Interlocked.Add(ref _bytes, read.Buffer.Length);
            body.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
                break;
        }

        context.Response.ContentType = "application/grpc";
        await context.Response.Body.WriteAsync(new byte[5]); // Not compressed, no bytes.
        context.Response.AppendTrailer("grpc-status", "0");
    }
}
