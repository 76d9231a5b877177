using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grpc.Core;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>What the connection says of the client.</summary>
internal static class PeerInfo
{
    private const string CommonName = "x509_common_name";
    private const string SubjectAlternativeName = "x509_subject_alternative_name";

    /// <summary>"ipv4:127.0.0.1:51234", "ipv6:[::1]:51234" or "unknown".</summary>
    /// <remarks>The gRPC core specification, "gRPC Name Resolution".</remarks>
    public static string Address(ConnectionInfo connection) => connection.RemoteIpAddress switch
    {
        null => "unknown",
        { AddressFamily: AddressFamily.InterNetworkV6 } address => $"ipv6:[{address}]:{connection.RemotePort}",
        var address => $"ipv4:{address}:{connection.RemotePort}"
    };

    /// <summary>The names in the client's certificate.</summary>
    public static AuthContext Authenticate(X509Certificate2? certificate)
    {
        var properties = new Dictionary<string, List<AuthProperty>>(StringComparer.Ordinal);
        if (certificate is null)
        {
            return new AuthContext(peerIdentityPropertyName: null, properties);
        }

        string? identity = null;
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(extension => extension.EnumerateDnsNames());
        foreach (var name in alternatives)
        {
            Add(SubjectAlternativeName, name);
        }

        var commonName = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        if (!string.IsNullOrEmpty(commonName))
        {
            Add(CommonName, commonName);
        }

        return new AuthContext(identity, properties);

        void Add(string property, string value)
        {
            identity ??= property;
            if (!properties.TryGetValue(property, out var values))
            {
                properties[property] = values = [];
            }

            values.Add(AuthProperty.Create(property, Encoding.UTF8.GetBytes(value)));
        }
    }
}
