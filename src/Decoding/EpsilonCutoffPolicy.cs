namespace Serving.Decoding;

/// <summary>Tokens of at least a probability.</summary>
internal sealed class EpsilonCutoffPolicy(double epsilon) : ICandidatePolicy
{
    public void Apply(Candidates candidates) => candidates.KeepWeights(epsilon * candidates.Total);
}
