using Grpc.Core;

namespace Grpc.AspNetCore.Server;

/// <summary>On the endpoint of each method: what it serves.</summary>
public sealed class GrpcMethodMetadata(Type serviceType, IMethod method)
{
    /// <summary>The implementation.</summary>
    public Type ServiceType { get; } = serviceType;

    public IMethod Method { get; } = method;
}
