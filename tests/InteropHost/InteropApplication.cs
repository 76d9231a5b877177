using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Compression;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Serving.Rpc.Services;
using Serving.Rpc.Services.Health;
using Serving.Rpc.Services.Reflection;

namespace Serving.InteropHost;

/// <summary>The host: TestService, health and reflection on one loopback port.</summary>
public static class InteropApplication
{
    /// <param name="options">Port and TLS.</param>
    /// <param name="configure">For tests: changes the builder before the application is built.</param>
    public static WebApplication Build(InteropHostOptions options, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.UseGrpcHeaderLimits();
            kestrel.Listen(IPAddress.Loopback, options.Port, endpoint =>
            {
                endpoint.Protocols = HttpProtocols.Http2;
                if (options.Tls)
                {
                    endpoint.UseHttps(CreateCertificate(options.CertificateFile));
                }
            });
        });
        builder.Services.AddGrpc(grpc =>
        {
            grpc.CompressionProviders.Add(new CountingGzipProvider());
            grpc.CompressionProviders.Add(new DeflateCompressionProvider(CompressionLevel.Fastest));
        });
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<TestServiceImplementation>();
        builder.Services.AddGrpcHealth();
        builder.Services.AddGrpcReflection();
        configure?.Invoke(builder);

        var app = builder.Build();
        app.UseRouting();
        app.Use(CountingGzipProvider.CountCallAsync);
        app.UseEndpoints(_ => { });
        app.MapGrpcService<TestServiceImplementation>();
        app.MapGrpcHealth();
        app.MapGrpcReflection();
        return app;
    }

    private static X509Certificate2 CreateCertificate(string? file)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(
            certificateAuthority: true, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true));
        var now = DateTimeOffset.UtcNow;
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        if (file is not null)
        {
            File.WriteAllText(file, certificate.ExportCertificatePem());
        }

        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), password: null);
    }
}
