using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Serving.Inference;
using Serving.Rpc.Services;
using Serving.Rpc.Services.Health;
using Serving.Rpc.Services.Reflection;
using Serving.Server.Catalog;
using Serving.Server.Jobs;
using Serving.Server.Services;
using Serving.Server.Storage;
using Serving.Server.Telemetry;
using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Server;

/// <summary>The composition root.</summary>
public static class ServerApplication
{
    /// <summary>Short forms of flags that are used often.</summary>
    private static readonly Dictionary<string, string> ShortFlags = new(StringComparer.Ordinal)
    {
        ["--address"] = $"{ServerOptions.Section}:{nameof(ServerOptions.Address)}",
        ["--port"] = $"{ServerOptions.Section}:{nameof(ServerOptions.Port)}",
        ["--data"] = $"{ServerOptions.Section}:{nameof(ServerOptions.Data)}"
    };

    /// <param name="args">Settings as --Server:Port=5050, or --port 5050, --address, --data.</param>
    /// <param name="configure">Replaces parts of the server: a backend, for example.</param>
    public static WebApplication Build(string[] args, Action<IServiceCollection>? configure = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = args,
            ContentRootPath = AppContext.BaseDirectory // Its own appsettings.json, wherever it is started from.
        });
        builder.Configuration.AddCommandLine(args, ShortFlags);
        var options = ReadOptions(builder.Configuration);
        if (options.Demo)
            Demo.CopyInto(options.Data, Demo.Folder);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(sockets => sockets.WaitForDataBeforeAllocatingBuffer = false); // Half as many system calls for 4 KB a connection.
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.UseGrpcHeaderLimits();
            kestrel.Listen(IPAddress.Parse(options.Address), options.Port, endpoint => Configure(endpoint, options));
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = options.MaxReceiveMessageBytes;
            grpc.Interceptors.Add<ServingInterceptor>();
        });
        builder.Services.AddGrpcHealth();
        builder.Services.AddGrpcReflection();
        AddServing(builder.Services, options);
        builder.AddTelemetry();
        configure?.Invoke(builder.Services);

        var app = builder.Build();
        app.MapGrpcService<ClassifierService>();
        app.MapGrpcService<TasksService>();
        app.MapGrpcService<ModelsService>();
        app.MapGrpcService<DatasetsService>();
        app.MapGrpcService<JobsService>();
        app.MapGrpcHealth();
        app.MapGrpcReflection();
        return app;
    }

    private static void AddServing(IServiceCollection services, ServerOptions options) => services
        .AddSingleton(options)
        .AddSingleton(TimeProvider.System)
        .AddSingleton(provider => new TaskStore(
            Path.Combine(options.Data, "tasks"), provider.GetRequiredService<ILogger<TaskStore>>()))
        .AddSingleton(provider => new DatasetStore(
            Path.Combine(options.Data, "datasets"), options, provider.GetRequiredService<ILogger<DatasetStore>>()))
        .AddSingleton(provider => new JobStore(
            Path.Combine(options.Data, "jobs"), options.MaxJobsBytes, provider.GetRequiredService<TimeProvider>(), provider.GetRequiredService<ILogger<JobStore>>()))
        .AddSingleton<EngineLoad>()
        .AddSingleton<JobPublisher>()
        .AddSingleton<JobRunner>()
        .AddSingleton<JobsService>()
        .AddSingleton(new ModelStore(
            Path.Combine(options.Data, "models"), options.Models))
        .AddSingleton<Func<TensorBackend>>(
            () => new CpuBackend(options.Threads == 0 ? Environment.ProcessorCount : options.Threads))
        .AddSingleton<TaskCatalog>()
        .AddSingleton<TaskRouter>()
        .AddSingleton<InputRunner>()
        .AddSingleton<ShadowRunner>()
        .AddSingleton<ServerMetrics>()
        .AddSingleton<Readiness>()
        .AddSingleton<ClassifierService>()
        .AddSingleton<TasksService>()
        .AddSingleton<ModelsService>()
        .AddSingleton<DatasetsService>()
        .AddSingleton<ServingInterceptor>()
        .AddSingleton<CatalogLifetime>()
        .AddHostedService(provider => provider.GetRequiredService<CatalogLifetime>())
        .AddHostedService(provider => provider.GetRequiredService<JobRunner>());

    private static ServerOptions ReadOptions(IConfiguration configuration)
    {
        ServerOptions options;
        try
        {
            options = configuration.GetSection(ServerOptions.Section).Get<ServerOptions>() ?? new ServerOptions();
        }
        catch (InvalidOperationException exception)
        {
            // The binder's message names the key and the value.
            throw new ServerOptionsException(exception.Message, exception);
        }

        options.Validate();
        return options;
    }

    private static void Configure(ListenOptions endpoint, ServerOptions options)
    {
        endpoint.Protocols = HttpProtocols.Http2;
        if (options.CertificateFile is not null)
        {
            using var pem = X509Certificate2.CreateFromPemFile(options.CertificateFile, options.CertificateKeyFile);
            endpoint.UseHttps(X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), password: null));
        }
    }
}
