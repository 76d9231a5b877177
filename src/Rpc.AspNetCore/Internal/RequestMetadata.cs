using Grpc.Core;
using Grpc.Wire;
using Microsoft.AspNetCore.Http;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The application's metadata among the headers of a request.</summary>
internal static class RequestMetadata
{
    public static Metadata Read(IHeaderDictionary headers)
    {
        var metadata = new Metadata();
        foreach (var (name, values) in headers)
        {
            if (GrpcProtocol.IsReserved(name))
            {
                continue;
            }

            foreach (var value in values)
            {
                MetadataCoding.Add(metadata, name, value ?? "");
            }
        }

        return metadata;
    }
}
