using Serving.Models.Bert;

namespace Serving.Inference.Classification;

/// <summary>The vectors of a text.</summary>
/// <param name="pooling">What the vector was made of.</param>
/// <param name="version">The task version whose mask was used; null without a task.</param>
/// <param name="vector">[hidden]</param>
/// <param name="tokenVectors">[tokens, hidden], row-major; null unless they were asked for.</param>
public sealed class EmbeddingResult(
    Pooling pooling, string? version, float[] vector, float[]? tokenVectors, int tokens, int droppedTokens)
    : RequestResult(tokens, droppedTokens)
{
    /// <summary>What the vector was made of.</summary>
    public Pooling Pooling { get; } = pooling;

    /// <summary>The task version whose mask was used; null without a task.</summary>
    public string? Version { get; } = version;

    /// <summary>[hidden]</summary>
    public float[] Vector { get; } = vector;

    /// <summary>The last hidden states, [tokens, hidden], row-major; null unless they were asked for.</summary>
    public float[]? TokenVectors { get; } = tokenVectors;
}
