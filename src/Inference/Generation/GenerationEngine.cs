using System.Diagnostics.CodeAnalysis;
using Serving.Decoding;
using Serving.Decoding.Beams;
using Serving.Inference.Scheduling;
using Serving.Models.Decoders;
using Serving.Text.Bpe;

namespace Serving.Inference.Generation;

/// <summary>Continues prompts and scores texts with one decoder: requests wait in a queue, lanes run steps.</summary>
/// <remarks>
/// A request is checked and tokenized on its caller's thread. An answer's text depends on its request alone, not on
/// what runs beside it. The engine owns neither lanes nor decoder.
/// </remarks>
public sealed class GenerationEngine : IDisposable
{
    private readonly LanePool _lanes;
    private readonly Decoder _decoder;
    private readonly BpeTokenizer _tokenizer;
    private readonly GenerationOptions _options;
    private readonly TimeProvider _time;
    private readonly PromptReader _prompts;
    private readonly EngineMetrics _engineMetrics;
    private readonly GenerationMetrics _metrics;
    private readonly WorkQueue<DecodingSequence> _queue;
    private readonly GenerationSteps _steps;

    /// <param name="lanes">What it runs on, over the backend that the decoder is on.</param>
    /// <exception cref="ArgumentException">A limit is out of range.</exception>
    public GenerationEngine(
        LanePool lanes, Decoder decoder, BpeTokenizer tokenizer, GenerationOptions options, TimeProvider time)
    {
        options.ThrowUnlessValid(decoder);
        _lanes = lanes;
        _decoder = decoder;
        _tokenizer = tokenizer;
        _options = options;
        _time = time;
        _prompts = new(decoder.Config, tokenizer);
        _engineMetrics = new(options.Model);
        _metrics = new(_engineMetrics);
        _queue = new(lanes, options.QueueLimits, _engineMetrics, time);
        _steps = new(lanes, decoder, options, _queue, _engineMetrics, time);
        _engineMetrics.Observe(() => _queue.Waiting);
        _metrics.Observe(
            () => Memory, () => _steps.Running, () => _steps.UsedBlocks, options.CacheBlocks(decoder.BlockTokens));
        lanes.Add(_steps);
    }

    /// <summary>Requests that wait; one whose first answer runs waits until its last one does.</summary>
    public int QueuedRequests => _queue.Waiting.Requests;

    /// <summary>Tokens that those may come to.</summary>
    public int QueuedTokens => _queue.Waiting.Tokens;

    /// <summary>Sequences that run.</summary>
    public int RunningSequences => _steps.Running;

    /// <summary>Blocks of the cache that sequences have.</summary>
    public int UsedBlocks => _steps.UsedBlocks;

    /// <summary>What the engine holds on the device.</summary>
    public GenerationMemory Memory => new(_decoder.Bytes, _steps.WorkspaceBytes, _steps.CacheBytes);

    /// <summary>Asks for a place in the queue: all that a request costs that is rejected.</summary>
    /// <param name="caller">See <see cref="DecoderRequest.Caller"/>.</param>
    /// <param name="isPaced">See <see cref="DecoderRequest.IsPaced"/>.</param>
    /// <param name="place">For a request, or to be disposed.</param>
    /// <returns>False if there is none.</returns>
    /// <exception cref="EngineClosedException">The engine takes no more requests.</exception>
    public bool TryReserve(
        string caller, bool isPaced, [NotNullWhen(true)] out Reservation? place, out QueueRefusal refusal) =>
        _queue.TryReserve(caller, isPaced, out place, out refusal);

    /// <summary>Begins to answer a prompt.</summary>
    /// <param name="cancellationToken">Ends the answers within a step, also while they are being read.</param>
    /// <exception cref="SamplingOptionsException">Some options are out of range.</exception>
    /// <exception cref="Serving.Text.InvalidTextException">The prompt can't be read.</exception>
    /// <exception cref="QueueFullException">Too much is waiting.</exception>
    /// <exception cref="EngineClosedException">The engine takes no more requests.</exception>
    public GenerationStream Generate(GenerationRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return TryReserve(request.Caller, request.IsPaced, out var place, out var refusal)
            ? Generate(request, place, cancellationToken)
            : throw new QueueFullException(refusal);
    }

    /// <summary>The same for a request that has a place.</summary>
    /// <param name="place">Of this engine; it is used up, also if this fails.</param>
    /// <exception cref="QueueFullException">There is no room for what the answers may come to.</exception>
    public GenerationStream Generate(
        GenerationRequest request, Reservation place, CancellationToken cancellationToken = default)
    {
        using (place) // Does nothing once the request is queued.
        {
            ThrowUnlessValid(request, WithEnd(request.Sampling, request.IgnoresEnd));
            var sampling = WithEnd(
                request.Searches ? request.Sampling.WithoutDraws() : request.Sampling, request.IgnoresEnd);
            var prompt = Tokenize(() => _prompts.Read(request));
            var pending = new PendingGeneration(request, _time);
            var most = (int)Math.Min((long)prompt.Ids.Length + sampling.MaxTokens, _prompts.MostTokens);
            var sequences = request.Searches
                ? [Search(request, pending, sampling, prompt.Ids, most)]
                : Draw(request, pending, sampling, prompt.Ids, most);
            Enqueue(
                pending, sequences, place,
                request.Searches ? nameof(request.Beams)
                    : request.BestOf > 0 ? nameof(request.BestOf) : nameof(request.Answers),
                cancellationToken);
            return new(pending, prompt, sampling);
        }
    }

    /// <summary>How probable the tokens of a text are.</summary>
    /// <exception cref="Serving.Text.InvalidTextException">The text can't be read, or is too long.</exception>
    /// <exception cref="QueueFullException">Too much is waiting.</exception>
    /// <exception cref="EngineClosedException">The engine takes no more requests.</exception>
    /// <exception cref="DeadlinePassedException">The deadline passed.</exception>
    public Task<ScoreResult> ScoreAsync(ScoreRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return TryReserve(request.Caller, request.IsPaced, out var place, out var refusal)
            ? ScoreAsync(request, place, cancellationToken)
            : throw new QueueFullException(refusal);
    }

    /// <summary>The same for a request that has a place.</summary>
    /// <param name="place">Of this engine; it is used up, also if this fails.</param>
    public Task<ScoreResult> ScoreAsync(
        ScoreRequest request, Reservation place, CancellationToken cancellationToken = default)
    {
        try
        {
            var (tokens, context) = Tokenize(() => _prompts.Read(request));
            var result = new ScoreResult(context, tokens[context..]);
            var pending = new PendingScore(request, result, _time);
            Enqueue(
                pending, [new ScoredSequence(pending, request.Caller, tokens, result, _decoder.BlockTokens)], place,
                nameof(request.Text), cancellationToken);
            return pending.Answer;
        }
        finally
        {
            place.Dispose(); // Does nothing once the request is queued.
        }
    }

    /// <summary>The text of a token, or a part of one; bytes that are no UTF-8 become U+FFFD.</summary>
    public string TextOf(int token) => token < _tokenizer.Vocabulary.Count ? _tokenizer.Decode([token]) : "";

    /// <summary>Takes no new requests; completes when those that were admitted are answered.</summary>
    public Task DrainAsync()
    {
        _queue.Drain();
        return _lanes.WhenIdleAsync(_steps);
    }

    /// <summary>Stops after the step that runs; what runs and what waits fails. Frees cache and workspace.</summary>
    public void Dispose()
    {
        _steps.Stop();
        if (!_queue.Stop())
            return;
        _lanes.Remove(_steps);
        var stopped = new ObjectDisposedException(nameof(GenerationEngine));
        _queue.FailRest(stopped);
        _steps.FailRest(stopped);
        _engineMetrics.Dispose();
        _steps.Dispose();
    }

    /// <param name="most">The most tokens of prompt and answer.</param>
    private DecodingSequence Search(
        GenerationRequest request, PendingGeneration pending, SamplingOptions sampling, int[] prompt, int most) =>
        new BeamAnswers(
            pending, request, sampling, prompt, most, _decoder, _prompts.MostTokens, _tokenizer, _metrics).First;

    /// <param name="most">The most tokens of prompt and answer.</param>
    private DecodingSequence[] Draw(
        GenerationRequest request, PendingGeneration pending, SamplingOptions sampling, int[] prompt, int most)
    {
        var choice =
            request.BestOf > 0 ? new AnswerChoice(pending, request.Drawn, request.Answers) : null;
        var drawn = choice is null ? sampling : sampling with { LogProbabilities = true };
        var sequences = new DecodingSequence[request.Drawn];
        for (var answer = 0; answer < sequences.Length; answer++)
        {
            sequences[answer] = new AnswerSequence(
                pending, request.Caller, answer, sequences[0] as AnswerSequence, most,
                new(drawn, prompt, _decoder.Config.Vocab, _prompts.MostTokens, answer),
                new(_tokenizer, sampling.Stop), _metrics, _decoder.BlockTokens, choice,
                sampling.LogProbabilities || sampling.TopLogProbabilities > 0);
        }

        return sequences;
    }

    /// <summary>With the model's own end among what ends an answer.</summary>
    private SamplingOptions WithEnd(SamplingOptions sampling, bool ignoresEnd) =>
        _decoder.Config.EndToken is { } end && !ignoresEnd
            ? sampling with { StopTokens = [.. sampling.StopTokens.Append(end).Distinct()] }
            : sampling;

    private void ThrowUnlessValid(GenerationRequest request, SamplingOptions sampling)
    {
        sampling.ThrowUnlessValid(_decoder.Config.Vocab);
        var violations = GenerationChecks.Find(request);
        if (violations.Count > 0)
            throw new SamplingOptionsException(violations);
    }

    private static T Tokenize<T>(Func<T> read)
    {
        using var span = EngineTracing.Source.StartActivity("tokenize");
        return read();
    }

    /// <param name="option">What to ask less of if it is too much.</param>
    private void Enqueue(
        WorkItem item, DecodingSequence[] sequences, Reservation place, string option,
        CancellationToken cancellationToken)
    {
        if (sequences[0].Branches > _options.MaxSequences || sequences[0].Room > _options.MaxCachedTokens)
        {
            throw new SamplingOptionsException([new(
                option,
                $"It is too much: {sequences[0].Branches} sequences with room for {sequences[0].Room} tokens in all; "
                + $"{_options.MaxSequences} of {_options.MaxCachedTokens} run at a time. Ask for less.")]);
        }

        var tokens = (long)sequences[0].Tokens * sequences.Length;
        if (tokens > _options.MaxQueuedTokens)
        {
            throw new SamplingOptionsException([new(
                option,
                $"The request may come to {tokens} tokens; at most {_options.MaxQueuedTokens} can wait. Ask for "
                + "less.")]);
        }

        if (!_queue.TryEnqueue(item, sequences, place, out var refusal, cancellationToken))
            throw new QueueFullException(refusal);
    }
}
