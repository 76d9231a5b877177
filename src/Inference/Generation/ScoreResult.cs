namespace Serving.Inference.Generation;

/// <summary>How probable the tokens of a text are to a model.</summary>
/// <param name="contextTokens">Tokens before the first that is scored.</param>
/// <param name="tokens">Those that are scored.</param>
public sealed class ScoreResult(int contextTokens, IReadOnlyList<int> tokens)
{
    private readonly double[] _logProbabilities = new double[tokens.Count];

    /// <summary>Tokens before the first that is scored, the model's beginning of text included.</summary>
    public int ContextTokens { get; } = contextTokens;

    /// <summary>The scored tokens.</summary>
    public IReadOnlyList<int> Tokens { get; } = tokens;

    /// <summary>For each token the natural logarithm of its probability, given all tokens before it.</summary>
    public IReadOnlyList<double> LogProbabilities => _logProbabilities;

    /// <summary>How long the request waited.</summary>
    public TimeSpan Queued { get; internal set; }

    internal void Set(int token, double logProbability) => _logProbabilities[token] = logProbability;
}
