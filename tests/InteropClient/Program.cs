using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;
using Serving.InteropClient;

// InteropClient ADDRESS [--certificate-file FILE] [CASE ...]: runs interop cases and prints "CASE pass" or "CASE FAIL why".
var arguments = args.ToList();
string? certificateFile = null;
if (arguments.IndexOf("--certificate-file") is >= 0 and var at && at + 1 < arguments.Count)
{
    certificateFile = arguments[at + 1];
    arguments.RemoveRange(at, 2);
}

if (arguments.Count == 0)
{
    await Console.Error.WriteLineAsync("Usage: InteropClient http://HOST:PORT [--certificate-file FILE] [CASE ...]");
    return 2;
}

var compression = new CountingGzipProvider();
var options = new GrpcChannelOptions { CompressionProviders = [compression] };
if (certificateFile is not null)
{
    var trusted = X509CertificateLoader.LoadCertificateFromFile(certificateFile);
    options.HttpHandler = new SocketsHttpHandler
    {
        SslOptions = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                certificate?.GetCertHashString() == trusted.GetCertHashString()
        }
    };
}

using var channel = GrpcChannel.ForAddress(arguments[0], options);
var cases = new InteropCases(channel, compression);
var names = arguments.Count > 1 ? arguments[1..] : [.. InteropCases.Names];
var failures = 0;
foreach (var name in names)
{
    try
    {
        await cases.RunAsync(name).WaitAsync(TimeSpan.FromSeconds(30));
        Console.WriteLine($"{name} pass");
    }
    catch (Exception exception)
    {
        failures++;
        Console.WriteLine($"{name} FAIL {exception.GetType().Name}: {exception.Message.ReplaceLineEndings(" ")}");
    }
}

return failures == 0 ? 0 : 1;
