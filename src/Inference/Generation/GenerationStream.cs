using System.Threading.Channels;
using Serving.Decoding;

namespace Serving.Inference.Generation;

/// <summary>Answers to a prompt, as they come.</summary>
/// <remarks>
/// Whoever does not read them holds nobody up: they wait here, no more than the answers' tokens, and the cache is free
/// once they are complete. The token that the request came with ends them early.
/// </remarks>
public sealed class GenerationStream
{
    private readonly PendingGeneration _pending;

    internal GenerationStream(PendingGeneration pending, PromptTokens prompt, SamplingOptions sampling)
    {
        _pending = pending;
        PromptTokens = prompt.Ids.Length;
        DroppedTokens = prompt.Dropped;
        Sampling = sampling;
    }

    /// <summary>What the answers are drawn with.</summary>
    public SamplingOptions Sampling { get; }

    /// <summary>Tokens of the prompt that the model reads.</summary>
    public int PromptTokens { get; }

    /// <summary>Tokens that were dropped from its beginning.</summary>
    public int DroppedTokens { get; }

    /// <summary>How long the request waited; known once the first part is there.</summary>
    public TimeSpan Queued => _pending.Queued;

    /// <summary>From the request until its first token; zero before that.</summary>
    public TimeSpan TimeToFirstToken => _pending.TimeToFirstToken;

    /// <summary>Tokens of the prompt that the cache had; known once the first part is there.</summary>
    public int CachedTokens => _pending.SharedTokens;

    /// <summary>All parts, of all answers; can be read once.</summary>
    /// <exception cref="OperationCanceledException">The request was cancelled.</exception>
    /// <exception cref="Scheduling.DeadlinePassedException">Its deadline passed.</exception>
    /// <exception cref="LogitsException">The model's logits are no numbers, or the options leave no token.</exception>
    /// <exception cref="ObjectDisposedException">The engine stopped.</exception>
    public IAsyncEnumerable<GenerationPart> ReadAllAsync(CancellationToken cancellationToken = default) =>
        _pending.Parts.ReadAllAsync(cancellationToken);
}
