namespace Serving.Text.Trainers;

/// <summary>How large a vocabulary becomes.</summary>
public sealed record TrainerOptions
{
    /// <summary>The most tokens, special ones included.</summary>
    public int VocabularySize { get; init; } = 30_522;

    /// <summary>A pair must come so often to be joined.</summary>
    public long MinPairCount { get; init; } = 2;
}
