using System.Collections.Concurrent;
using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Serving.Rpc.Services;

namespace Serving.Testing;

/// <summary>A server in the test's process on a free loopback port, and what it logged.</summary>
public sealed class GrpcTestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private GrpcTestServer(WebApplication app, ConcurrentQueue<LogLine> logs)
    {
        _app = app;
        Logs = logs;
        Address = app.Urls.First();
        Port = new Uri(Address).Port;
    }

    public string Address { get; }

    public int Port { get; }

    public ConcurrentQueue<LogLine> Logs { get; }

    public IEnumerable<LogLine> Errors => Logs.Where(line => line.Level >= LogLevel.Error);

    public IServiceProvider Services => _app.Services;

    /// <summary>Serves a <see cref="ScriptedService"/>.</summary>
    public static Task<GrpcTestServer> StartAsync(
        ScriptedService service,
        Action<GrpcServiceOptions>? grpc = null,
        Action<WebApplicationBuilder>? configure = null,
        Action<ListenOptions>? listen = null) => StartAsync(
        builder =>
        {
            builder.Services.AddSingleton(service);
            builder.Services.AddGrpc(grpc ?? (_ => { }));
            configure?.Invoke(builder);
        },
        app => app.MapGrpcService<ScriptedService>(),
        listen);

    public static async Task<GrpcTestServer> StartAsync(
        Action<WebApplicationBuilder> configure, Action<WebApplication> map, Action<ListenOptions>? listen = null)
    {
        var logs = new ConcurrentQueue<LogLine>();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.SetMinimumLevel(LogLevel.Debug);
        builder.Logging.AddProvider(new LogCollector(logs));
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.UseGrpcHeaderLimits();
            kestrel.Listen(IPAddress.Loopback, 0, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http2;
                listen?.Invoke(endpoint);
            });
        });
        configure(builder);
        var app = builder.Build();
        map(app);
        await app.StartAsync();
        return new GrpcTestServer(app, logs);
    }

    public GrpcChannel CreateChannel(Action<GrpcChannelOptions>? configure = null)
    {
        var options = new GrpcChannelOptions();
        configure?.Invoke(options);
        return GrpcChannel.ForAddress(Address, options);
    }

    public Task StopAsync(CancellationToken cancellationToken = default) => _app.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        await _app.StopAsync(limit.Token);
        await _app.DisposeAsync();
    }

    private sealed class LogCollector(ConcurrentQueue<LogLine> logs) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => new Logger(categoryName, logs);

        public void Dispose()
        {
        }
    }

    private sealed class Logger(string category, ConcurrentQueue<LogLine> logs) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) =>
            logLevel >= LogLevel.Warning || category.StartsWith("Grpc.", StringComparison.Ordinal);

        public void Log<TState>(
            LogLevel logLevel,
            EventId eventId,
            TState state,
            Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                logs.Enqueue(new LogLine(logLevel, category, formatter(state, exception), exception));
            }
        }
    }
}

/// <summary>A line in a log.</summary>
public sealed record LogLine(LogLevel Level, string Category, string Message, Exception? Exception);
