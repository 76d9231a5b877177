using Serving.Inference.Scheduling;

namespace Serving.Inference.Classification;

/// <summary>Limits of a classification engine.</summary>
public sealed record EngineOptions
{
    /// <summary>The model's name, by which metrics tell engines apart.</summary>
    public string Model { get; init; } = "";

    /// <summary>The most tokens of a batch, counted over its branches. Also limits the memory of workspaces.</summary>
    /// <remarks>With more, results of small models leave the caches: mini is a fifth slower at 4096.</remarks>
    public int MaxBatchTokens { get; init; } = 1024;

    /// <summary>The most branches of a batch.</summary>
    public int MaxBatchBranches { get; init; } = 256;

    /// <summary>The most requests that wait, not counting paced ones.</summary>
    /// <remarks>
    /// Several batches' worth: a longer queue would not raise the throughput, only the time that requests wait
    /// (docs/decisions/0011-serving-on-few-cores.md).
    /// </remarks>
    public int MaxQueuedRequests { get; init; } = 256;

    /// <summary>The most tokens that wait, counted over branches, not counting those of paced requests.</summary>
    public int MaxQueuedTokens { get; init; } = 65_536;

    /// <summary>Multiply-adds that make a request long: it then runs on the whole device, not on one lane.</summary>
    /// <remarks>Null takes the backend's own, <see cref="Tensors.TensorBackend.WholeDeviceMultiplyAdds"/>.</remarks>
    public long? WholeDeviceMultiplyAdds { get; init; }

    /// <summary>What may wait, paced requests aside.</summary>
    internal QueueLoad QueueLimits => new(MaxQueuedRequests, MaxQueuedTokens);

    /// <exception cref="ArgumentException">A limit is out of range, or leaves no room for the longest text.</exception>
    internal void ThrowUnlessValid(int maxSequenceTokens)
    {
        ThrowIfBelow(nameof(MaxBatchTokens), MaxBatchTokens, maxSequenceTokens);
        ThrowIfBelow(nameof(MaxBatchBranches), MaxBatchBranches, 1);
        ThrowIfBelow(nameof(MaxQueuedRequests), MaxQueuedRequests, 1);
        ThrowIfBelow(nameof(MaxQueuedTokens), MaxQueuedTokens, maxSequenceTokens);
    }

    private static void ThrowIfBelow(string name, int value, int least)
    {
        if (value < least)
            throw new ArgumentException($"{name} is {value}; at least {least} is needed.");
    }
}
