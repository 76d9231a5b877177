namespace Serving.Decoding.Beams;

/// <summary>Beam search behind a prompt: in each step the most probable texts go on, as many as beams.</summary>
/// <remarks>
/// As BeamSearchScorer in transformers' generation/beam_search.py: a text ends with a stop token, or with a stop
/// string, if it is among the best of its step, as many as there are beams. Penalties and bans change
/// log-probabilities. Of equal sums the lower beam and the lower token come first.
/// A beam keeps its slot if its text goes on; another way that it goes takes the slot of one that ended.
/// </remarks>
public sealed class BeamSearch
{
    private readonly BeamOptions _options;
    private readonly SamplingPipeline _pipeline;
    private readonly int[] _stopTokens;
    private readonly Func<int[], bool>? _endsAtStop;
    private readonly Beam[] _beams;
    private readonly BeamTexts _texts;
    private readonly List<BeamOffer> _offers = [];
    private readonly List<BeamOffer> _next = [];

    /// <param name="contextTokens">The most tokens of prompt and answer that the model has positions for.</param>
    /// <param name="endsAtStop">Whether the text of an answer's tokens has a stop string; null for never.</param>
    public BeamSearch(
        BeamOptions options, SamplingOptions sampling, ReadOnlySpan<int> prompt, int vocab, int contextTokens,
        Func<int[], bool>? endsAtStop = null)
    {
        _options = options;
        _pipeline = new(sampling);
        _stopTokens = [.. sampling.StopTokens];
        _endsAtStop = endsAtStop;
        var mostTokens = Math.Min(sampling.MaxTokens, contextTokens - prompt.Length);
        OffersOfBeam = Math.Min(vocab, Math.Max(2, 1 + _stopTokens.Length) * options.Count);
        _beams = new Beam[options.Count];
        for (var slot = 0; slot < _beams.Length; slot++)
            _beams[slot] = new(new(sampling, prompt, vocab, contextTokens), mostTokens, OffersOfBeam);
        _beams[0].IsLive = true;
        _texts = new(options, mostTokens);
    }

    public bool IsDone { get; private set; }

    /// <summary>The best texts, the best first; once it is done.</summary>
    public IReadOnlyList<BeamText> Best => _texts.Best;

    /// <summary>So many can end with a stop token, and there are enough left.</summary>
    private int OffersOfBeam { get; }

    /// <summary>Prompt and answer of a beam.</summary>
    public ReadOnlySpan<int> TokensOf(int slot) => _beams[slot].History.Tokens;

    /// <summary>Whether a beam needs the logits behind its tokens.</summary>
    public bool Wants(int slot) => !IsDone && _beams[slot] is { IsLive: true, HasOffered: false };

    /// <summary>Takes the logits of a beam. With those of the last the step ends.</summary>
    /// <param name="logits">[vocab]; changed.</param>
    /// <param name="isReplaced">Is set for slots whose beam is now another one, or none.</param>
    /// <exception cref="LogitsException">A logit is NaN or +infinity, or no token is left.</exception>
    public void Take(int slot, Span<float> logits, SamplingWorkspace workspace, Span<bool> isReplaced)
    {
        var logSum = ModelProbabilities.Read(logits, top: 0, workspace);
        foreach (ref var logit in logits)
            logit = (float)(logit - logSum);
        _pipeline.Adjust(logits, _beams[slot].History);
        _ = LikeliestToken.Of(logits); // Refuses what leaves no token.
        workspace.Candidates.Load(logits, OffersOfBeam, temperature: 1);
        _beams[slot].Offer(slot, workspace.Candidates, workspace.Unchanged, logSum);
        if (!_beams.Any(beam => beam is { IsLive: true, HasOffered: false }))
            EndStep(isReplaced);
    }

    private void EndStep(Span<bool> isReplaced)
    {
        _offers.Clear();
        foreach (var beam in _beams)
        {
            if (beam.IsLive)
                _offers.AddRange(beam.Offers);
            beam.Forget();
        }

        _offers.Sort(static (a, b) => (-a.Sum, a.Slot, a.Token).CompareTo((-b.Sum, b.Slot, b.Token)));
        Divide();
        var tokens = _beams[_offers[0].Slot].History.Generated + 1;
        IsDone = _texts.IsEnough(_offers[0].Sum, tokens) || _next.Count == 0;
        if (IsDone)
            return;
        GoOn(isReplaced);
        if (!_beams.Any(beam => beam is { IsLive: true, History.IsFull: true }))
            return;
        foreach (var beam in _beams)
        {
            if (beam.IsLive)
                _texts.Add(TextOf(beam, BeamEnd.MostTokens));
        }

        IsDone = true;
    }

    /// <summary>Parts the offers into texts that end and those that go on.</summary>
    private void Divide()
    {
        _next.Clear();
        for (var rank = 0; rank < _offers.Count && _next.Count < _options.Count; rank++)
        {
            var offer = _offers[rank];
            if (EndOf(offer) is not { } end)
                _next.Add(offer);
            else if (rank < _options.Count)
                _texts.Add(TextOf(offer, end));
        }
    }

    private BeamEnd? EndOf(BeamOffer offer)
    {
        if (_stopTokens.AsSpan().Contains(offer.Token))
            return BeamEnd.StopToken;
        if (_endsAtStop is null || !_endsAtStop(AnswerOf(_beams[offer.Slot], offer.Token)))
            return null;
        return BeamEnd.StopString;
    }

    /// <summary>Beams whose text goes on keep their slot; other ways go to slots of those that end.</summary>
    private void GoOn(Span<bool> isReplaced)
    {
        Span<bool> isKept = stackalloc bool[_beams.Length];
        foreach (var offer in _next)
            isKept[offer.Slot] = true;
        for (var slot = 0; slot < _beams.Length; slot++)
        {
            isReplaced[slot] |= !isKept[slot];
            _beams[slot].IsLive = isKept[slot];
        }

        Span<int> first = stackalloc int[_beams.Length]; // Which of the next keeps a slot.
        first.Fill(-1);
        var free = 0;
        for (var i = 0; i < _next.Count; i++)
        {
            if (first[_next[i].Slot] < 0)
            {
                first[_next[i].Slot] = i;
                continue;
            }

            while (isKept[free])
                free++;
            _beams[free].CopyFrom(_beams[_next[i].Slot]);
            _beams[free].Append(_next[i]);
            free++;
        }

        for (var slot = 0; slot < _beams.Length; slot++) // Once the others were copied from what they were.
        {
            if (first[slot] >= 0)
                _beams[slot].Append(_next[first[slot]]);
        }
    }

    private BeamText TextOf(BeamOffer offer, BeamEnd end)
    {
        var beam = _beams[offer.Slot];
        var tokens = AnswerOf(beam, offer.Token);
        return new(
            tokens, [.. beam.LogProbabilities, offer.LogProbability], _texts.ScoreOf(offer.Sum, tokens.Length), end);
    }

    private BeamText TextOf(Beam beam, BeamEnd end)
    {
        var tokens = beam.History.Tokens[beam.History.PromptTokens..].ToArray();
        return new(tokens, beam.LogProbabilities.ToArray(), _texts.ScoreOf(beam.Sum, tokens.Length), end);
    }

    private static int[] AnswerOf(Beam beam, int next) =>
        [.. beam.History.Tokens[beam.History.PromptTokens..], next];
}
