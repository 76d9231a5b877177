using Serving.Inference.Classification;
using Serving.Inference.Generation;
using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Catalog.Resident;

/// <summary>How models are kept in memory, and how much may wait at each.</summary>
public sealed record ModelHostOptions
{
    /// <summary>Of encoders.</summary>
    public WeightFormat WeightFormat { get; init; }

    /// <summary>Of decoders.</summary>
    public WeightFormat GeneratorWeightFormat { get; init; } = WeightFormat.BFloat16;

    /// <summary>The most tokens of a batch.</summary>
    public required int MaxBatchTokens { get; init; }

    /// <summary>The most inputs of calls that wait at a model.</summary>
    public required int MaxQueuedRequests { get; init; }

    /// <summary>The most tokens that wait at a model.</summary>
    public required int MaxQueuedTokens { get; init; }

    /// <summary>The most sequences that a decoder runs at a time.</summary>
    public int MaxSequences { get; init; } = new GenerationOptions().MaxSequences;

    /// <summary>The most tokens of a decoder's step.</summary>
    public int MaxStepTokens { get; init; } = new GenerationOptions().MaxStepTokens;

    /// <summary>The most tokens in a decoder's cache.</summary>
    public int MaxCachedTokens { get; init; } = new GenerationOptions().MaxCachedTokens;

    /// <summary>
    /// What the engine of a decoder is asked for; the longest text always fits, and where it is one block, the state of
    /// a recurrent network, one for each sequence.
    /// </summary>
    public GenerationOptions ForGenerator(string model, Decoder decoder)
    {
        var blocks = decoder.BlocksOf(decoder.Config.MaxPositions);
        var longest = blocks * decoder.BlockTokens;
        var states = (int)Math.Min(int.MaxValue, (long)MaxSequences * longest);
        return new()
        {
            Model = model,
            MaxSequences = MaxSequences,
            MaxStepTokens = Math.Max(MaxStepTokens, MaxSequences),
            MaxCachedTokens = Math.Max(MaxCachedTokens, blocks == 1 ? states : longest),
            MaxQueuedRequests = MaxQueuedRequests,
            MaxQueuedTokens = Math.Max(MaxQueuedTokens, longest)
        };
    }

    /// <summary>What an engine is asked for; the longest text always fits.</summary>
    public EngineOptions ForEngine(string model, int maxTokens) => new()
    {
        Model = model,
        MaxBatchTokens = Math.Max(MaxBatchTokens, maxTokens),
        MaxQueuedRequests = MaxQueuedRequests,
        MaxQueuedTokens = Math.Max(MaxQueuedTokens, maxTokens)
    };
}
