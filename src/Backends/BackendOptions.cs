namespace Serving.Backends;

/// <summary>What a device is given.</summary>
public sealed record BackendOptions
{
    /// <summary>Threads that compute, 1 or more; 0 for one on each processor. Not for devices with their own.</summary>
    public int Threads { get; init; }

    /// <summary>A folder with libtorch, for devices of libtorch; null for what lies beside the program.</summary>
    public string? TorchLibraries { get; init; }
}
