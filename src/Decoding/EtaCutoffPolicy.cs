namespace Serving.Decoding;

/// <summary>Tokens of at least a probability, which is lower where the distribution is flat.</summary>
/// <remarks>min(eta, √eta exp(-H)), Hewitt et al. 2022, with α = √eta.</remarks>
internal sealed class EtaCutoffPolicy(double eta) : ICandidatePolicy
{
    public void Apply(Candidates candidates)
    {
        var least = Math.Min(eta, Math.Sqrt(eta) * Math.Exp(-Entropy.Of(candidates)));
        candidates.KeepWeights(least * candidates.Total);
    }
}

/// <summary>Entropy of what can be drawn.</summary>
internal static class Entropy
{
    /// <returns>-Σ p ln p, in nats.</returns>
    public static double Of(Candidates candidates)
    {
        var entropy = 0.0;
        foreach (var weight in candidates.Weights)
        {
            var probability = weight / candidates.Total;
            if (probability > 0)
                entropy -= probability * Math.Log(probability);
        }

        return entropy;
    }
}
