namespace Serving.Decoding;

/// <summary>Tokens of at least a part of the highest probability, whose weight is 1.</summary>
internal sealed class MinPPolicy(double minP) : ICandidatePolicy
{
    public void Apply(Candidates candidates) => candidates.KeepWeights(minP);
}
