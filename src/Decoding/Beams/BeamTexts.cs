namespace Serving.Decoding.Beams;

/// <summary>The best complete texts so far, as many as there are beams.</summary>
/// <remarks>BeamHypotheses in transformers' generation/beam_search.py.</remarks>
/// <param name="mostTokens">Of a text.</param>
internal sealed class BeamTexts(BeamOptions options, int mostTokens)
{
    private readonly List<BeamText> _best = []; // The best first; of equal ones the earlier.

    public IReadOnlyList<BeamText> Best => _best;

    /// <param name="sum">Of log-probabilities.</param>
    public double ScoreOf(double sum, int tokens) => sum / Math.Pow(tokens, options.LengthPenalty);

    public void Add(BeamText text)
    {
        var at = _best.FindIndex(other => other.Score < text.Score);
        _best.Insert(at < 0 ? _best.Count : at, text);
        if (_best.Count > options.Count)
            _best.RemoveAt(options.Count);
    }

    /// <summary>Whether the beams that go on are not worth it.</summary>
    /// <param name="best">The largest sum of log-probabilities of the step.</param>
    /// <param name="tokens">Of the texts in it.</param>
    public bool IsEnough(double best, int tokens)
    {
        if (_best.Count < options.Count)
            return false;
        if (options.EarlyStopping == EarlyStopping.AtOnce)
            return true;
        var isLongest = options is { EarlyStopping: EarlyStopping.WhenCertain, LengthPenalty: > 0 };
        return _best[^1].Score >= ScoreOf(best, isLongest ? mostTokens : tokens);
    }
}
