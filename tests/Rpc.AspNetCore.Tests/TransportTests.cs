using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Testing;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Serving.Testing;

namespace Serving.Rpc.AspNetCore.Tests;

/// <summary>TLS, client certificates, compression and graceful shutdown.</summary>
public sealed class TransportTests
{
    [Fact]
    public async Task ClientCertificate_IsAskedFor_AndItsNamesReachTheHandler()
    {
        using var serverCertificate = CreateCertificate("localhost");
        using var clientCertificate = CreateCertificate("alice.example");
        AuthContext? seen = null;
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService
            {
                OnEmpty = (_, context) =>
                {
                    seen = context.AuthContext;
                    return Task.FromResult(new Empty());
                }
            },
            listen: endpoint => endpoint.UseHttps(https =>
            {
                https.ServerCertificate = serverCertificate;
                https.ClientCertificateMode = ClientCertificateMode.RequireCertificate;
                https.ClientCertificateValidation = (certificate, _, _) =>
                    certificate.Thumbprint == clientCertificate.Thumbprint;
            }));

        using var channel = server.CreateChannel(options => options.HttpHandler = Trusting(clientCertificate));
        await new TestService.TestServiceClient(channel).EmptyCallAsync(new Empty());

        Assert.True(seen!.IsPeerAuthenticated);
        Assert.Equal("alice.example", seen.PeerIdentity.First().Value);

        using var anonymous = server.CreateChannel(options => options.HttpHandler = Trusting(certificate: null));
        var exception = await Assert.ThrowsAsync<RpcException>(
            () => new TestService.TestServiceClient(anonymous).EmptyCallAsync(new Empty()).ResponseAsync);
        Assert.Equal(StatusCode.Unavailable, exception.StatusCode);

        SocketsHttpHandler Trusting(X509Certificate2? certificate) => new()
        {
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, presented, _, _) =>
                    presented!.GetCertHashString() == serverCertificate.Thumbprint,
                ClientCertificates = certificate is null ? null : [certificate]
            }
        };
    }

    [Fact]
    public void CredentialsThatDoNotFitTheAddress_AreRefused()
    {
        var exception = Assert.Throws<InvalidOperationException>(() => GrpcChannel.ForAddress(
            "http://localhost", new GrpcChannelOptions { Credentials = ChannelCredentials.SecureSsl }));
        Assert.Contains("can't use http", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gzip", "gzip", true)]
    [InlineData("deflate", "identity,deflate", true)]
    [InlineData("gzip", "identity", false)] // the client does not take it
    [InlineData("gzip", null, false)] // the client does not say
    public async Task ResponseCompression_IsNegotiated(string algorithm, string? accepted, bool isCompressed)
    {
        await using var server = await GrpcTestServer.StartAsync(
            new ScriptedService { OnUnary = (_, _) => Task.FromResult(new SimpleResponse { Username = new string('u', 999) }) },
            grpc => grpc.ResponseCompressionAlgorithm = algorithm);
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        (string, string)[] more = accepted is null ? [] : [("grpc-accept-encoding", accepted)];
        await connection.SendRequestAsync(1, ScriptedService.UnaryPath, endStream: false, more);
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);

        var frames = await connection.ReadStreamAsync(1).Within();

        var data = frames.Where(frame => frame.Type == Http2FrameType.Data).SelectMany(frame => frame.Payload).ToArray();
        Assert.Equal(isCompressed ? algorithm : null, frames[0].Header("grpc-encoding"));
        Assert.Equal(isCompressed ? 1 : 0, data[0]);
        Assert.Equal(isCompressed, data.Length < 100);
    }

    [Fact]
    public async Task UnknownResponseCompression_StopsTheStart()
    {
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => GrpcTestServer.StartAsync(
            new ScriptedService(), grpc => grpc.ResponseCompressionAlgorithm = "zstd"));
        Assert.Contains("identity,gzip,deflate", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Shutdown_SaysGoAway_AndLetsCallsInFlightFinish()
    {
        var isStarted = new TaskCompletionSource();
        var isReleased = new TaskCompletionSource();
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = async (_, _) =>
            {
                isStarted.SetResult();
                await isReleased.Task;
                return new Empty();
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath);
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);
        await isStarted.Task.Within();

        var stopping = server.StopAsync();
        var goAway = await connection.ReadAsync().Within();
        Assert.Equal(Http2FrameType.GoAway, goAway!.Type);
        Assert.Equal(0u, goAway.ErrorCode); // NO_ERROR
        Assert.False(stopping.IsCompleted);
        isReleased.SetResult();

        var last = goAway;
        while (!(last.StreamId == 1 && last.EndsStream))
        {
            last = await connection.ReadAsync().Within() ?? throw new EndOfStreamException("The call was cut off.");
        }

        Assert.Equal("0", last.Header("grpc-status"));
        await connection.DisposeAsync();
        await stopping.Within();
    }

    [Fact]
    public async Task Shutdown_CancelsWhatOutlastsTheHostsLimit()
    {
        var isStarted = new TaskCompletionSource();
        var isCancelled = new TaskCompletionSource();
        await using var server = await GrpcTestServer.StartAsync(new ScriptedService
        {
            OnEmpty = async (_, context) =>
            {
                await using var registration = context.CancellationToken.Register(isCancelled.SetResult);
                isStarted.SetResult();
                await isCancelled.Task;
                return new Empty();
            }
        });
        await using var connection = await Http2Connection.ConnectAsync(server.Port);
        await connection.SendRequestAsync(1, ScriptedService.EmptyPath);
        await connection.SendDataAsync(1, [0, 0, 0, 0, 0], endStream: true);
        await isStarted.Task.Within();

        using var limit = new CancellationTokenSource();
        var stopping = server.StopAsync(limit.Token);
        await limit.CancelAsync();

        await isCancelled.Task.Within();
        await stopping.Within();
    }

    private static X509Certificate2 CreateCertificate(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pfx), password: null);
    }
}
