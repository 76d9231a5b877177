namespace Serving.Decoding;

/// <summary>Memory for choosing one token at a time, shared by sequences that take turns.</summary>
/// <param name="vocab">How many tokens the model has.</param>
public sealed class SamplingWorkspace(int vocab)
{
    private readonly TokenLogProbability[] _top = new TokenLogProbability[SamplingOptions.MostTopLogProbabilities];

    public int Vocab { get; } = vocab;

    /// <summary>
    /// The most probable tokens of the last choice, as many as its options ask for, the most probable first. Valid
    /// until the next choice.
    /// </summary>
    public ReadOnlySpan<TokenLogProbability> Top => _top.AsSpan(0, TopCount);

    internal Candidates Candidates { get; } = new(vocab);

    /// <summary>The model's logits, before anything changes them.</summary>
    internal float[] Unchanged { get; } = new float[vocab];

    internal double[] Exponentials { get; } = new double[vocab];

    internal Span<TokenLogProbability> TopRoom => _top;

    internal int TopCount { get; set; }
}

/// <summary>A token and the model's natural logarithm of its probability.</summary>
public readonly record struct TokenLogProbability(int Token, double LogProbability);
