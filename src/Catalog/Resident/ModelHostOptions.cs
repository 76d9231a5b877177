using Serving.Inference.Classification;
using Serving.Tensors;

namespace Serving.Catalog.Resident;

/// <summary>How models are kept in memory, and how much may wait at each.</summary>
public sealed record ModelHostOptions
{
    public WeightFormat WeightFormat { get; init; }

    /// <summary>The most tokens of a batch.</summary>
    public required int MaxBatchTokens { get; init; }

    /// <summary>The most inputs of calls that wait at a model.</summary>
    public required int MaxQueuedRequests { get; init; }

    /// <summary>The most tokens that wait at a model.</summary>
    public required int MaxQueuedTokens { get; init; }

    /// <summary>What an engine is asked for; the longest text always fits.</summary>
    public EngineOptions ForEngine(string model, int maxTokens) => new()
    {
        Model = model,
        MaxBatchTokens = Math.Max(MaxBatchTokens, maxTokens),
        MaxQueuedRequests = MaxQueuedRequests,
        MaxQueuedTokens = Math.Max(MaxQueuedTokens, maxTokens)
    };
}
