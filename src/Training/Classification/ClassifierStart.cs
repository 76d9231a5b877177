using Serving.Models.Bert;

namespace Serving.Training.Classification;

/// <summary>What a classifier's training begins with beside its weights; nothing by default.</summary>
public sealed record ClassifierStart
{
    /// <summary>Masks that stay as they are: weights that they drop count as 0 and learn nothing.</summary>
    public IMaskSource? Masks { get; init; }

    /// <summary>Parts of the backbone that are left out: they add nothing and learn nothing.</summary>
    public PrunedParts? Pruned { get; init; }

    /// <summary>The head: weight [labels, hidden] and bias [labels]; null for a random one.</summary>
    public (float[] Weight, float[] Bias)? Head { get; init; }

    /// <summary>Ends training after so many steps, at the learning rate of that step; null for its end.</summary>
    public long? StopAfter { get; init; }
}
