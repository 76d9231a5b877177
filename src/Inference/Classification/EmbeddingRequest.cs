using Serving.Models.Bert;

namespace Serving.Inference.Classification;

/// <summary>A text, or a pair, of which vectors are wanted.</summary>
public sealed record EmbeddingRequest : TextRequest
{
    /// <summary>Whose mask the weights are seen through; null for the backbone as it is.</summary>
    public TaskReference? Task { get; init; }

    /// <summary>What the vector is made of; null for what the task's head sees, and for the mean without one.</summary>
    public Pooling? Pooling { get; init; }

    /// <summary>Whether the last hidden states of all tokens are wanted, too.</summary>
    public bool WantsTokens { get; init; }
}
