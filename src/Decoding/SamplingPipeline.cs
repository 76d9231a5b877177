namespace Serving.Decoding;

/// <summary>The policies of some options that are not off, in the order in which they apply.</summary>
internal sealed class SamplingPipeline
{
    private readonly SamplingOptions _options;
    private readonly List<ILogitPolicy> _logitPolicies = [];
    private readonly List<ICandidatePolicy> _candidatePolicies = [];

    public SamplingPipeline(SamplingOptions options)
    {
        _options = options;
        if (options.LogitBias.Count > 0)
            _logitPolicies.Add(new LogitBiasPolicy(options.LogitBias));
        if (options.RepetitionPenalty != 1)
            _logitPolicies.Add(new RepetitionPenaltyPolicy(options.RepetitionPenalty));
        if (options.FrequencyPenalty != 0 || options.PresencePenalty != 0)
            _logitPolicies.Add(new CountPenaltyPolicy(options.FrequencyPenalty, options.PresencePenalty));
        if (options.NoRepeatNgramSize > 0)
            _logitPolicies.Add(new NoRepeatNgramPolicy(options.NoRepeatNgramSize));
        if (options.BadWords.Count > 0)
            _logitPolicies.Add(new BadWordsPolicy(options.BadWords));
        if (options.MinTokens > 0 && options.StopTokens.Count > 0)
            _logitPolicies.Add(new MinTokensPolicy(options.MinTokens, options.StopTokens));

        // Temperature and top-k are in the loading of candidates.
        if (options.TopP < 1)
            _candidatePolicies.Add(new TopPPolicy(options.TopP));
        if (options.MinP > 0)
            _candidatePolicies.Add(new MinPPolicy(options.MinP));
        if (options.TypicalP < 1)
            _candidatePolicies.Add(new TypicalPPolicy(options.TypicalP));
        if (options.EpsilonCutoff > 0)
            _candidatePolicies.Add(new EpsilonCutoffPolicy(options.EpsilonCutoff));
        if (options.EtaCutoff > 0)
            _candidatePolicies.Add(new EtaCutoffPolicy(options.EtaCutoff));
    }

    /// <summary>Changes logits by what the sequence has.</summary>
    public void Adjust(Span<float> logits, TokenHistory history)
    {
        foreach (var policy in _logitPolicies)
            policy.Apply(logits, history);
    }

    /// <summary>Finds the tokens that can be drawn. For a temperature above 0.</summary>
    public void Select(ReadOnlySpan<float> logits, Candidates candidates)
    {
        candidates.Load(logits, _options.TopK, _options.Temperature);
        foreach (var policy in _candidatePolicies)
            policy.Apply(candidates);
    }
}
