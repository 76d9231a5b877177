using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Serving.Backends;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Inference.Scheduling;
using Serving.Jobs;
using Serving.Jobs.Store;
using Serving.Jobs.Workers;
using Serving.Server.Configuration;
using Serving.Server.Datasets;
using Serving.Server.Devices;
using Serving.Server.Http;
using Serving.Server.Jobs;
using Serving.Server.Lifetime;
using Serving.Server.Services;
using Serving.Server.Telemetry;
using Serving.Storage;
using Serving.Tensors;

namespace Serving.Server;

/// <summary>The composition root.</summary>
public static class ServerApplication
{
    /// <summary>Short forms of flags that are used often.</summary>
    private static readonly Dictionary<string, string> ShortFlags = new(StringComparer.Ordinal)
    {
        ["--address"] = $"{ServerOptions.Section}:{nameof(ServerOptions.Address)}",
        ["--port"] = $"{ServerOptions.Section}:{nameof(ServerOptions.Port)}",
        ["--http-port"] = $"{ServerOptions.Section}:{nameof(ServerOptions.HttpPort)}",
        ["--data"] = $"{ServerOptions.Section}:{nameof(ServerOptions.Data)}"
    };

    /// <param name="args">Settings as --Server:Port=5050, or --port 5050, --http-port, --address, --data.</param>
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
            Demo.CopyInto(options.Data, Demo.Folder, DiskFileSystem.Instance);
        builder.WebHost.UseKestrelHttpsConfiguration();

        // Half as many system calls for 4 KB a connection.
        builder.WebHost.UseSockets(sockets => sockets.WaitForDataBeforeAllocatingBuffer = false);
        builder.WebHost.ConfigureKestrel(kestrel => Listen(kestrel, options));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        builder.Services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = options.MaxReceiveMessageBytes;
            grpc.Interceptors.Add<ServingInterceptor>();
        });
        builder.Services.AddGrpcReflection();
        builder.Services.AddGrpcHealthChecks(health =>
        {
            health.UseHealthChecksCache = true; // Statuses are pushed by Readiness, at once; nothing is polled.
            health.Services.Clear();
        });
        builder.Services.AddHttpApi(options);
        AddServing(builder.Services, options);
        builder.Services.AddModelSources(builder.Configuration);
        builder.AddTelemetry(options);
        configure?.Invoke(builder.Services);

        var app = builder.Build();
        app.Services.GetRequiredService<DeviceMetrics>(); // Measured from now on.
        foreach (var device in app.Services.GetRequiredService<ModelDevices>().All)
        {
            app.Logger.LogInformation(
                "Computes on {Device}: {Reason}", device.Backend.Description, device.Backend.Reason);
        }

        app.UseSingletonServices();
        app.UseMetadataLimit();
        app.UseHttpApi(options);
        app.MapGrpcService<ClassifierService>();
        app.MapGrpcService<EmbedderService>();
        app.MapGrpcService<GeneratorService>();
        app.MapGrpcService<TasksService>();
        app.MapGrpcService<ModelsService>();
        app.MapGrpcService<DatasetsService>();
        app.MapGrpcService<JobsService>();
        app.MapGrpcHealthChecksService();
        app.MapGrpcReflectionService();
        app.MapFiles();
        app.MapOpenApiDocument();
        app.MapTelemetry(options);
        return app;
    }

    /// <summary>Where a running server is reached: by gRPC, and over HTTP/1.1 unless that is turned off.</summary>
    public static (string Grpc, string? Http) Urls(WebApplication app)
    {
        var urls = app.Urls.ToList(); // In the order of Listen.
        return (urls[0], app.Services.GetRequiredService<ServerOptions>().ResolvedHttpPort is null ? null : urls[1]);
    }

    private static void AddServing(IServiceCollection services, ServerOptions options) => services
        .AddSingleton(options)
        .AddSingleton(TimeProvider.System)
        .AddSingleton<ITaskRepository>(provider => new FileTaskRepository(
            Path.Combine(options.Data, "tasks"),
            DiskFileSystem.Instance,
            provider.GetRequiredService<ILogger<FileTaskRepository>>()))
        .AddSingleton<IBlobStore>(new FolderBlobStore(Path.Combine(options.Data, "tasks"), DiskFileSystem.Instance))
        .AddSingleton(new ModelStore(Path.Combine(options.Data, "models"), options.Models, DiskFileSystem.Instance))
        .AddSingleton<ModelContents>()
        .AddSingleton(provider => new DatasetStore(
            Path.Combine(options.Data, "datasets"),
            options,
            DiskFileSystem.Instance,
            provider.GetRequiredService<ILogger<DatasetStore>>()))
        .AddSingleton<IJobRepository>(provider => new FileJobRepository(
            Path.Combine(options.Data, "jobs"),
            options.MaxJobsBytes,
            DiskFileSystem.Instance,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<FileJobRepository>>()))
        .AddSingleton<IJobLauncher>(provider => new LocalLauncher(
            Path.Combine(AppContext.BaseDirectory, "Serving.Worker.dll"),
            options.TrainingThreads,
            options.ResolvedTrainingRank,
            options.TorchLibraries,
            provider.GetRequiredService<EngineLoad>(),
            DiskFileSystem.Instance,
            provider.GetRequiredService<TimeProvider>()))
        .AddSingleton<IJobRecipes, TrainingRecipes>()
        .AddSingleton<EngineLoad>()
        .AddSingleton<JobDevices>()
        .AddSingleton<JobPublisher>()
        .AddSingleton<JobRunner>()
        .AddSingleton<JobsService>()
        .AddSingleton(options.ForHosts())
        .AddSingleton<TensorBackend>(_ => BackendFactory.Create(options.Device, options.ForDevice()))
        .AddSingleton(provider => new LanePool(
            provider.GetRequiredService<TensorBackend>(),
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<EngineLoad>()))
        .AddSingleton(new MemoryBudgets(BackendFactory.Canonical, options.MemoryOf))
        .AddSingleton<ServerDevices>()
        .AddSingleton(provider => provider.GetRequiredService<ServerDevices>().Models)
        .AddSingleton<TaskCatalog>()
        .AddSingleton<TaskRouter>()
        .AddSingleton<Admissions>()
        .AddSingleton<InputRunner>()
        .AddSingleton<EmbeddingRunner>()
        .AddSingleton<ShadowRunner>()
        .AddSingleton<ServerMetrics>()
        .AddSingleton<DeviceMetrics>()
        .AddSingleton<Readiness>()
        .AddSingleton<ClassifierService>()
        .AddSingleton<EmbedderService>()
        .AddSingleton<GeneratorService>()
        .AddSingleton<TasksService>()
        .AddSingleton<ModelsService>()
        .AddSingleton<DatasetsService>()
        .AddSingleton<ServingInterceptor>()
        .AddSingleton<CatalogLifetime>()
        .AddHostedService(provider => provider.GetRequiredService<CatalogLifetime>())
        .AddHostedService<JobsLifetime>();

    internal static ServerOptions ReadOptions(IConfiguration configuration)
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

    /// <summary>
    /// One port for gRPC and one for HTTP/1.1; with TLS, where the versions can be negotiated, both take either.
    /// </summary>
    private static void Listen(KestrelServerOptions kestrel, ServerOptions options)
    {
        kestrel.UseGrpcHeaderLimits();
        var address = IPAddress.Parse(options.Address);
        if (options.CertificateFile is not null)
        {
            using var pem = X509Certificate2.CreateFromPemFile(options.CertificateFile, options.CertificateKeyFile);
            var certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), password: null);
            kestrel.Listen(address, options.Port, ListenWithTls);
            if (options.ResolvedHttpPort is { } tlsPort)
                kestrel.Listen(address, tlsPort, ListenWithTls);
            return;

            void ListenWithTls(ListenOptions endpoint)
            {
                endpoint.UseHttps(certificate);
                endpoint.TakeResetsAsEnds();
            }
        }

        var time = kestrel.ApplicationServices.GetRequiredService<TimeProvider>();
        kestrel.Listen(address, options.Port, endpoint =>
        {
            endpoint.Protocols = HttpProtocols.Http2;
            endpoint.RefuseHttp1(options.ResolvedHttpPort, time);
        });
        if (options.ResolvedHttpPort is { } httpPort)
        {
            var handover = kestrel.ApplicationServices.GetRequiredService<Http2Handover>();
            kestrel.Listen(address, httpPort, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http1;
                endpoint.TakeResetsAsEnds();
                endpoint.TakeHttp2(handover, time);
            });
            kestrel.Listen(handover.EndPoint, endpoint => endpoint.Protocols = HttpProtocols.Http2);
        }
    }
}
