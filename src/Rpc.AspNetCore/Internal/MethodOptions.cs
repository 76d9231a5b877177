using System.IO.Compression;
using Grpc.Net.Compression;
using Grpc.Wire;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The options of a method, resolved: those of its service over those of all services.</summary>
internal sealed class MethodOptions
{
    private readonly Dictionary<string, ICompressionProvider> _providers;

    private MethodOptions(GrpcServiceOptions all, GrpcServiceOptions one)
    {
        MaxSendMessageSize = one.MaxSendMessageSize ?? all.MaxSendMessageSize;
        MaxReceiveMessageSize =
            one.IsMaxReceiveMessageSizeSet ? one.MaxReceiveMessageSize : all.MaxReceiveMessageSize;
        EnableDetailedErrors = one.EnableDetailedErrors ?? all.EnableDetailedErrors ?? false;
        ResponseCompressionAlgorithm = one.ResponseCompressionAlgorithm ?? all.ResponseCompressionAlgorithm;
        ResponseCompressionLevel = one.ResponseCompressionLevel ?? all.ResponseCompressionLevel;
        Interceptors = [.. all.Interceptors, .. one.Interceptors];
        _providers = new Dictionary<string, ICompressionProvider>(StringComparer.OrdinalIgnoreCase);
        foreach (var provider in all.CompressionProviders.Concat(one.CompressionProviders))
        {
            _providers[provider.EncodingName] = provider;
        }

        AcceptEncoding = MessageCompression.AcceptEncoding(_providers.Keys);
        if (ResponseCompressionAlgorithm is { } name && FindCompression(name) is null)
        {
            throw new InvalidOperationException(
                $"ResponseCompressionAlgorithm is '{name}', but CompressionProviders has only {AcceptEncoding}.");
        }
    }

    public int? MaxSendMessageSize { get; }

    public int? MaxReceiveMessageSize { get; }

    public bool EnableDetailedErrors { get; }

    public string? ResponseCompressionAlgorithm { get; }

    public CompressionLevel? ResponseCompressionLevel { get; }

    public IReadOnlyList<InterceptorRegistration> Interceptors { get; }

    /// <summary>The value of grpc-accept-encoding.</summary>
    public string AcceptEncoding { get; }

    public static MethodOptions Resolve(GrpcServiceOptions all, GrpcServiceOptions one) => new(all, one);

    /// <summary>Null for identity and for what is unknown.</summary>
    public ICompressionProvider? FindCompression(string encoding) => _providers.GetValueOrDefault(encoding);
}
