using Serving.Decoding;
using Serving.Decoding.Beams;
using Serving.Models.Decoders;
using Serving.Text.Bpe;

namespace Serving.Inference.Generation;

/// <summary>The beams of a prompt as sequences that run together, and the answers that come of them.</summary>
internal sealed class BeamAnswers
{
    private readonly PendingGeneration _request;
    private readonly SamplingOptions _sampling;
    private readonly int _answers;
    private readonly BpeTokenizer _tokenizer;
    private readonly GenerationMetrics _metrics;
    private readonly BeamSearch _search;
    private readonly BeamSequence[] _sequences;
    private readonly bool[] _isReplaced;

    /// <param name="most">The most tokens of prompt and answer.</param>
    /// <param name="contextTokens">Those that the model has positions for.</param>
    public BeamAnswers(
        PendingGeneration pending, GenerationRequest request, SamplingOptions sampling, int[] prompt, int most,
        Decoder decoder, int contextTokens, BpeTokenizer tokenizer, GenerationMetrics metrics)
    {
        _request = pending;
        _sampling = sampling;
        _answers = request.Answers;
        _tokenizer = tokenizer;
        _metrics = metrics;
        PromptTokens = prompt.Length;
        _search = new(
            request.Beams, sampling, prompt, decoder.Config.Vocab, contextTokens,
            sampling.Stop.Count == 0 ? null : HasStop);
        _isReplaced = new bool[request.Beams.Count];
        _sequences =
            [.. Enumerable.Range(0, request.Beams.Count).Select(slot => new BeamSequence(
                // Nothing is computed of the last token.
                this, slot, pending, request.Caller, most - 1, decoder.BlockTokens))];
        Others = _sequences[1..];
    }

    /// <summary>What waits in the queue: the first beam, for all.</summary>
    public BeamSequence First => _sequences[0];

    /// <summary>The other beams.</summary>
    public IReadOnlyList<DecodingSequence> Others { get; }

    public int PromptTokens { get; }

    public bool IsDone => _search.IsDone;

    public ReadOnlySpan<int> TokensOf(int slot) => _search.TokensOf(slot);

    public bool Wants(int slot) => _search.Wants(slot);

    public bool IsReplaced(int slot) => _isReplaced[slot];

    public void ForgetReplaced(int slot) => _isReplaced[slot] = false;

    public void Take(int slot, Span<float> logits, SamplingWorkspace workspace)
    {
        _search.Take(slot, logits, workspace, _isReplaced);
        if (IsDone)
            Write();
    }

    private void Write()
    {
        _metrics.AnswerBegan(PromptTokens, First.SharedTokens);
        if (_request.NoteToken(_request.Elapsed, First.SharedTokens))
            _metrics.FirstToken(_request.Elapsed);
        for (var answer = 0; answer < _answers; answer++)
        {
            // There are fewer texts only where all others are banned.
            var text = answer < _search.Best.Count
                ? _search.Best[answer]
                : new([], [], double.NegativeInfinity, BeamEnd.MostTokens);
            foreach (var _ in text.Tokens)
                _metrics.TokenCame();
            _request.Write(PartOf(answer, text));
        }
    }

    private GenerationPart PartOf(int answer, BeamText found)
    {
        var text = new AnswerText(_tokenizer, _sampling.Stop);
        var shown = found.Tokens.Length - (found.End == BeamEnd.StopToken ? 1 : 0);
        for (var i = 0; i < shown; i++)
            text.Append(found.Tokens[i], _sampling.LogProbabilities ? found.LogProbabilities[i] : null, []);
        text.Finish();
        var reason = found.End switch
        {
            BeamEnd.StopToken => FinishReason.EndOfText,
            BeamEnd.StopString => FinishReason.Stop,
            _ => FinishReason.Length
        };
        double? score = double.IsFinite(found.Score) ? found.Score : null; // Of a text that there is.
        return new(answer, text.TakeText(), text.TakeTokens(), new(reason, found.Tokens.Length, score));
    }

    private bool HasStop(int[] tokens)
    {
        var text = new AnswerText(_tokenizer, _sampling.Stop);
        foreach (var token in tokens)
            text.Append(token, logProbability: null, []);
        return text.IsStopped;
    }
}
