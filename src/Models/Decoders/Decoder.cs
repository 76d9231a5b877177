using Serving.Tensors;

namespace Serving.Models.Decoders;

/// <summary>A model that says of each token what comes next, frozen.</summary>
/// <remarks>
/// Prompts, parts of prompts and single tokens run together, each sequence from what the cache has of it. On a backend
/// that is batch invariant a token's logits depend neither on what it runs with nor on how its sequence is cut.
/// </remarks>
public abstract class Decoder : IDisposable
{
    public abstract DecoderConfig Config { get; }

    /// <summary>SHA-256 of the parameters alone.</summary>
    public abstract string Digest { get; }

    /// <summary>Bytes of the parameters on the device.</summary>
    public abstract long Bytes { get; }

    /// <summary>Tokens that a block of the cache holds.</summary>
    public abstract int BlockTokens { get; }

    /// <summary>How many blocks so many tokens take.</summary>
    public int BlocksOf(int tokens) => (tokens + BlockTokens - 1) / BlockTokens;

    /// <summary>A cache.</summary>
    /// <param name="blocks">How many it has; their memory is taken at once.</param>
    public abstract DecoderCache CreateCache(int blocks);

    /// <summary>Memory for batches up to some limits.</summary>
    public abstract DecoderWorkspace CreateWorkspace(DecoderLimits limits);

    /// <summary>Appends a batch's tokens to its sequences, and computes the logits that they want.</summary>
    /// <param name="cache">Made by this decoder, as the workspace is.</param>
    /// <param name="lane">A lane of the decoder's backend to run on; null for all of it.</param>
    /// <returns>[logit rows, vocab], in the workspace: valid until its next use.</returns>
    /// <exception cref="ShapeException">
    /// The batch is empty or larger than the workspace; a sequence has no room in its blocks or is longer than the
    /// model has positions. No sequence has changed.
    /// </exception>
    public abstract Tensor Forward(
        DecoderBatch batch, DecoderCache cache, DecoderWorkspace workspace, TensorBackend? lane = null);

    public abstract void Dispose();
}

/// <summary>What a decoder keeps of the tokens that it has read, in blocks.</summary>
/// <remarks>
/// Which sequence has which blocks is in <see cref="CachedSequence"/>; who owns the cache hands them out. A full block
/// can be in several sequences that begin alike.
/// </remarks>
public abstract class DecoderCache : IDisposable
{
    protected DecoderCache(int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blocks, 1);
        Blocks = blocks;
    }

    public int Blocks { get; }

    /// <summary>Bytes on the device.</summary>
    public abstract long Bytes { get; }

    public abstract void Dispose();
}

/// <summary>The intermediate values of one forward pass at a time, allocated once for the largest batch.</summary>
public abstract class DecoderWorkspace(DecoderLimits limits) : IDisposable
{
    public DecoderLimits Limits { get; } = limits;

    /// <summary>Bytes on the device.</summary>
    public abstract long Bytes { get; }

    public abstract void Dispose();
}
