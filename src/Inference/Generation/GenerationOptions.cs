using Serving.Inference.Scheduling;
using Serving.Models.Decoders;

namespace Serving.Inference.Generation;

/// <summary>Limits of a generation engine.</summary>
public sealed record GenerationOptions
{
    /// <summary>The model's name, by which metrics tell engines apart.</summary>
    public string Model { get; init; } = "";

    /// <summary>The most sequences that run at a time, each a token a step at least.</summary>
    public int MaxSequences { get; init; } = 32;

    /// <summary>The most tokens of a step. Prompts are cut into parts of what the running sequences leave.</summary>
    public int MaxStepTokens { get; init; } = 128;

    /// <summary>The most tokens of prompts in a step in which answers are written.</summary>
    /// <remarks>
    /// How long a prompt can hold up the next token of all others. On two threads each takes about 7% of a step of
    /// GPT-2 small with 8 sequences, so that these take less than two steps. Prompts among themselves share
    /// <see cref="MaxStepTokens"/>.
    /// </remarks>
    public int MaxPromptTokensBeside { get; init; } = 24;

    /// <summary>The most tokens in the cache of keys and values, whose memory is taken at once.</summary>
    /// <remarks>A sequence joins when there is room for all that it may come to, so that none runs out.</remarks>
    public int MaxCachedTokens { get; init; } = 8192;

    /// <summary>The most requests that wait, not counting paced ones.</summary>
    public int MaxQueuedRequests { get; init; } = 256;

    /// <summary>The most tokens that those may come to, prompts and answers.</summary>
    public int MaxQueuedTokens { get; init; } = 65_536;

    /// <summary>Multiply-adds from which on a step runs on the whole device, not on one lane.</summary>
    /// <remarks>Null takes the backend's own, <see cref="Tensors.TensorBackend.WholeDeviceMultiplyAdds"/>.</remarks>
    public long? WholeDeviceMultiplyAdds { get; init; }

    /// <summary>Logits of a step: one row for each sequence, and some for texts that are scored.</summary>
    internal int MaxLogitRows => MaxSequences + Math.Min(MaxSequences, MaxStepTokens);

    /// <summary>What may wait, paced requests aside.</summary>
    internal QueueLoad QueueLimits => new(MaxQueuedRequests, MaxQueuedTokens);

    /// <summary>Blocks of the cache.</summary>
    /// <param name="blockTokens">Tokens of a block.</param>
    internal int CacheBlocks(int blockTokens) => MaxCachedTokens / blockTokens;

    /// <exception cref="ArgumentException">A limit is out of range, or leaves no room for the longest text.</exception>
    internal void ThrowUnlessValid(Decoder decoder)
    {
        var longest = decoder.BlocksOf(decoder.Config.MaxPositions) * decoder.BlockTokens;
        ThrowIfBelow(nameof(MaxSequences), MaxSequences, 1);
        ThrowIfBelow(nameof(MaxStepTokens), MaxStepTokens, MaxSequences);
        ThrowIfBelow(nameof(MaxPromptTokensBeside), MaxPromptTokensBeside, 1);
        ThrowIfBelow(nameof(MaxCachedTokens), MaxCachedTokens, longest);
        ThrowIfBelow(nameof(MaxQueuedRequests), MaxQueuedRequests, 1);
        ThrowIfBelow(nameof(MaxQueuedTokens), MaxQueuedTokens, longest);
    }

    private static void ThrowIfBelow(string name, int value, int least)
    {
        if (value < least)
            throw new ArgumentException($"{name} is {value}; at least {least} is needed.");
    }
}
