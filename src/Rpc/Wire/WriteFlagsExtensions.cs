using Grpc.Core;

namespace Grpc.Wire;

/// <summary>Tests of flags that never box, which Enum.HasFlag does until its caller is optimized.</summary>
internal static class WriteFlagsExtensions
{
    /// <summary>Whether a message is written with a flag; no options have none.</summary>
    public static bool Has(this WriteOptions? options, WriteFlags flag) =>
        options is not null && (options.Flags & flag) != WriteFlags.None;
}
