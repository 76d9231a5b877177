using Serving.Training.Settings;

namespace Serving.Training.LanguageModels;

/// <summary>What is made unlikely beside what is made likely (Welleck et al. 2020).</summary>
public sealed record UnlikelihoodSettings
{
    /// <summary>α of the paper's token-level objective, which has 1.</summary>
    [Setting(
        "The weight of the unlikelihood of tokens that came before in their sequence; 0 for none.", Min = 0,
        Max = 1000)]
    public float TokenWeight { get; init; }

    /// <summary>1/2 in the paper.</summary>
    [Setting("The share of steps that learn from repetitions in the model's own continuations.", Min = 0, Max = 1)]
    public double SequenceRate { get; init; }

    [Setting("Tokens of text that a continuation begins from.", Min = 1, Unit = "tokens")]
    public int PrefixLength { get; init; } = 50;

    [Setting("Tokens of a continuation.", Min = 1, Unit = "tokens")]
    public int ContinuationLength { get; init; } = 100;

    [Setting("How many tokens in a row are a repetition, if they came before in a continuation.", Min = 1)]
    public int RepeatedTokens { get; init; } = 4;

    /// <summary>Whether anything is made unlikely.</summary>
    internal bool IsOn => TokenWeight > 0 || SequenceRate > 0;
}
