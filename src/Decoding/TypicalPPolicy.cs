namespace Serving.Decoding;

/// <summary>Locally typical sampling: tokens whose surprise, -ln p, is nearest to the entropy, up to a sum.</summary>
/// <remarks>Meister et al. 2023. Of tokens that are as near, lower ids come first.</remarks>
internal sealed class TypicalPPolicy(double typicalP) : ICandidatePolicy
{
    public void Apply(Candidates candidates)
    {
        var weights = candidates.Weights;
        var keys = candidates.Keys;
        var total = candidates.Total;
        var entropy = Entropy.Of(candidates);
        for (var i = 0; i < keys.Length; i++)
            keys[i] = -Math.Abs(-Math.Log(weights[i] / total) - entropy);
        candidates.KeepFirst<double>(keys, typicalP * total);
    }
}
