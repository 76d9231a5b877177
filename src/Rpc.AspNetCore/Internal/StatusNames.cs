using System.Globalization;
using Grpc.Core;
using Microsoft.Extensions.Primitives;

namespace Grpc.AspNetCore.Server.Internal;

/// <summary>Status codes as they stand in headers, made once.</summary>
internal static class StatusNames
{
    private static readonly StringValues[] Names =
        [.. Enum.GetValues<StatusCode>().Order().Select(code => new StringValues(((int)code).ToString(CultureInfo.InvariantCulture)))];

    public static StringValues Of(StatusCode code) =>
        (uint)code < (uint)Names.Length ? Names[(int)code] : ((int)code).ToString(CultureInfo.InvariantCulture);
}
