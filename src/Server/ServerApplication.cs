using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Serving.Rpc.Services;
using Serving.Rpc.Services.Health;
using Serving.Rpc.Services.Reflection;

namespace Serving.Server;

/// <summary>The composition root.</summary>
public static class ServerApplication
{
    /// <param name="args">Settings as --Server:Port=5050.</param>
    /// <exception cref="ServerOptionsException">A setting is wrong.</exception>
    public static WebApplication Build(string[] args)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions
        {
            Args = args,
            ContentRootPath = AppContext.BaseDirectory // Its own appsettings.json, wherever it is started from.
        });
        var options = ReadOptions(builder.Configuration);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.UseGrpcHeaderLimits();
            kestrel.Listen(IPAddress.Parse(options.Address), options.Port, endpoint => Configure(endpoint, options));
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.ShutdownTimeout);
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = options.MaxReceiveMessageBytes);
        builder.Services.AddGrpcHealth();
        builder.Services.AddGrpcReflection();

        var app = builder.Build();
        app.MapGrpcHealth();
        app.MapGrpcReflection();
        return app;
    }

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
