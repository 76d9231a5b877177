using Serving.Decoding;

namespace Serving.Inference.Generation;

/// <summary>A prompt with one of its answers, which grows by a token a step.</summary>
internal sealed class AnswerSequence : DecodingSequence
{
    private readonly PendingGeneration _request;
    private readonly int _answer;
    private readonly AnswerSequence? _first;
    private readonly TokenSampler _sampler;
    private readonly AnswerText _text;
    private readonly GenerationMetrics _metrics;
    private readonly AnswerChoice? _choice;
    private readonly bool _showsTokens;
    private TimeSpan _firstToken;
    private double _sum; // Of log-probabilities, if answers are chosen by them.

    /// <param name="answer">Which of the answers to the prompt.</param>
    /// <param name="first">The first of them; null for itself.</param>
    /// <param name="mostTokens">Of prompt and answer.</param>
    /// <param name="choice">Takes it when it is complete; null where an answer goes to its reader as it comes.</param>
    /// <param name="showsTokens">Whether log-probabilities are wanted.</param>
    public AnswerSequence(
        PendingGeneration request, string caller, int answer, AnswerSequence? first, int mostTokens,
        TokenSampler sampler, AnswerText text, GenerationMetrics metrics, int blockTokens, AnswerChoice? choice,
        bool showsTokens)
        : base(request, caller, mostTokens - 1, blockTokens) // Nothing is computed of the last token.
    {
        _request = request;
        _answer = answer;
        _first = first;
        _sampler = sampler;
        _text = text;
        _metrics = metrics;
        _choice = choice;
        _showsTokens = showsTokens;
    }

    /// <summary>Null while it goes on.</summary>
    public AnswerEnd? End { get; private set; }

    public override bool IsDone => End is not null;

    /// <summary>Whether the first answer still reads blocks of their prompt.</summary>
    public override bool Waits => _first is { Began: not null, End: null } first
        && first._sampler.Generated == 0
        && first.KnownBlocks < first.MostShared / BlockTokens;

    public override bool IsWriting => _sampler.Generated > 0;

    protected override ReadOnlySpan<int> All => _sampler.Tokens;

    protected override int FirstWanted => _sampler.Tokens.Length - 1;

    public override void Take(Span<float> logits, SamplingWorkspace workspace)
    {
        var token = _sampler.Next(logits, workspace);
        _metrics.TokenCame();
        _sum += token.LogProbability ?? 0;
        if (_sampler.Generated == 1)
            NoteFirst();
        if (token.IsStop)
            Finish(FinishReason.EndOfText);
        else
            Append(token, workspace.Top);
        if (End is not null && _sampler.Generated > 1)
            _metrics.AnswerEnded((_request.Elapsed - _firstToken) / (_sampler.Generated - 1));
    }

    private void Append(SampledToken token, ReadOnlySpan<TokenLogProbability> top)
    {
        _text.Append(token.Token, _showsTokens ? token.LogProbability : null, top);
        if (_text.IsStopped)
            Finish(FinishReason.Stop);
        else if (_sampler.IsFull)
            Finish(FinishReason.Length);
        else if (_text.HasReady && _choice is null)
            _request.Write(new(_answer, _text.TakeText(), _text.TakeTokens(), End: null));
    }

    private void Finish(FinishReason reason)
    {
        _text.Finish();
        End = new(reason, _sampler.Generated, _choice is null ? null : _sum / _sampler.Generated);
        var part = new GenerationPart(_answer, _text.TakeText(), _text.TakeTokens(), End);
        if (_choice is null)
            _request.Write(part);
        else
            _choice.Add(part);
    }

    private void NoteFirst()
    {
        _firstToken = _request.Elapsed;
        _metrics.AnswerBegan(_sampler.Tokens.Length - 1, SharedTokens);
        if (_request.NoteToken(_firstToken, SharedTokens))
            _metrics.FirstToken(_firstToken);
    }
}
