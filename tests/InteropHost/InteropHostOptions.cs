using System.Globalization;

namespace Serving.InteropHost;

/// <summary>What the command line asks for.</summary>
/// <param name="Port">0 takes a free one.</param>
/// <param name="Tls">HTTPS with a certificate made at the start.</param>
/// <param name="CertificateFile">Where that certificate goes as PEM, for clients to trust; null for nowhere.</param>
public sealed record InteropHostOptions(int Port = 0, bool Tls = false, string? CertificateFile = null)
{
    private const string Usage = "Usage: InteropHost --port N [--tls [--certificate-file FILE]]";

    /// <summary>Null, after a line on <paramref name="errors"/>, when the arguments are wrong.</summary>
    public static InteropHostOptions? Parse(string[] args, TextWriter errors)
    {
        var options = new InteropHostOptions();
        for (var i = 0; i < args.Length; i++)
        {
            switch (args[i])
            {
                case "--port" when i + 1 < args.Length
                    && ushort.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out var port):
                    options = options with { Port = port };
                    i++;
                    break;
                case "--tls":
                    options = options with { Tls = true };
                    break;
                case "--certificate-file" when i + 1 < args.Length:
                    options = options with { CertificateFile = args[++i] };
                    break;
                default:
                    errors.WriteLine($"Argument '{args[i]}' is unknown or lacks its value. {Usage}");
                    return null;
            }
        }

        return options;
    }
}
