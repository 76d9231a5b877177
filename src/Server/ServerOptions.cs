using System.Globalization;
using System.Net;

namespace Serving.Server;

/// <summary>
/// The server's settings, section "Server" of appsettings.json, SERVER__PORT and the like in the environment, or
/// --Server:Port and the like on the command line; the last of these wins.
/// </summary>
public sealed class ServerOptions
{
    public const string Section = "Server";

    /// <summary>The address to listen on; 127.0.0.1 by default, 0.0.0.0 for all.</summary>
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>0 to 65535; 5050 by default, 0 takes a free one.</summary>
    public int Port { get; set; } = 5050;

    /// <summary>A PEM certificate; with it the server speaks TLS, without it plain HTTP/2 with prior knowledge.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>The PEM private key of the certificate.</summary>
    public string? CertificateKeyFile { get; set; }

    /// <summary>The largest request message in bytes, after decompression; 4 MiB by default.</summary>
    public int MaxReceiveMessageBytes { get; set; } = 4 * 1024 * 1024;

    /// <summary>How long calls in flight may go on when the server stops; 30 s by default.</summary>
    public TimeSpan ShutdownTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <exception cref="ServerOptionsException">A setting is wrong; the message names its key.</exception>
    public void Validate()
    {
        Require(IPAddress.TryParse(Address, out _), nameof(Address), Address, "an IP address, 0.0.0.0 for all");
        Require(Port is >= 0 and <= ushort.MaxValue, nameof(Port), Port, "0 to 65535");
        Require(
            MaxReceiveMessageBytes > 0, nameof(MaxReceiveMessageBytes), MaxReceiveMessageBytes, "a number of bytes above 0");
        Require(
            ShutdownTimeout >= TimeSpan.Zero, nameof(ShutdownTimeout), ShutdownTimeout, "a time such as 00:00:30");
        Require(
            CertificateFile is null == CertificateKeyFile is null,
            CertificateFile is null ? nameof(CertificateFile) : nameof(CertificateKeyFile),
            value: null,
            "set, too: a certificate and its key go together");
        RequireFile(nameof(CertificateFile), CertificateFile);
        RequireFile(nameof(CertificateKeyFile), CertificateKeyFile);
    }

    private static void RequireFile(string key, string? path) =>
        Require(path is null || File.Exists(path), key, path, "a file that exists");

    private static void Require(bool isValid, string key, object? value, string needed)
    {
        if (!isValid)
        {
            throw new ServerOptionsException(string.Create(
                CultureInfo.InvariantCulture, $"{Section}:{key} is {value ?? "not set"}; it must be {needed}."));
        }
    }
}

/// <summary>A setting is wrong.</summary>
public sealed class ServerOptionsException(string message, Exception? innerException = null)
    : Exception(message, innerException);
