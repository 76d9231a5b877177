namespace Serving.Decoding;

/// <summary>Nucleus sampling: the most probable tokens, up to the one that brings their sum to p.</summary>
internal sealed class TopPPolicy(double topP) : ICandidatePolicy
{
    /// <summary>Below 1, so that rounding can't bring the light ones to more than is left out.</summary>
    private const double Margin = 0.5;

    public void Apply(Candidates candidates)
    {
        // Tokens of less than this add up to less than 1 - p of the total, so the others reach p without them.
        var mass = topP * candidates.Total;
        candidates.KeepWeights(Margin * (1 - topP) * candidates.Total / candidates.Count);
        candidates.KeepFirst(candidates.LogitsOfIds, mass);
    }
}
