using Serving.Tensors;

namespace Serving.Decoding;

/// <summary>Chooses the tokens of one sequence, one after another.</summary>
/// <remarks>
/// The draw of a token depends on the seed, the number of the answer, and how many tokens the answer has so far: not on
/// what else runs. Each token takes one random number, whether the options leave a choice or not. Choosing allocates
/// nothing on the managed heap.
/// </remarks>
public sealed class TokenSampler
{
    private readonly SamplingOptions _options;
    private readonly SamplingPipeline _pipeline;
    private readonly TokenHistory _history;
    private readonly int[] _stopTokens;
    private readonly ulong _key;
    private readonly int _vocab;

    /// <summary>Begins a sequence.</summary>
    /// <param name="prompt">Its tokens before the first that is chosen; may be empty.</param>
    /// <param name="vocab">How many tokens the model has.</param>
    /// <param name="contextTokens">The most tokens of prompt and answer that the model has positions for.</param>
    /// <param name="answer">Which of several answers to one prompt it is; each has draws of its own.</param>
    /// <exception cref="SamplingOptionsException">Some options are out of range.</exception>
    public TokenSampler(
        SamplingOptions options, ReadOnlySpan<int> prompt, int vocab, int contextTokens, int answer = 0)
    {
        options.ThrowUnlessValid(vocab);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(prompt.Length, contextTokens, nameof(prompt));
        _options = options;
        _stopTokens = [.. options.StopTokens];
        _pipeline = new(options);
        _history = new(options, prompt, vocab, contextTokens);
        _key = CounterRandom.Key(options.Seed, (ulong)answer);
        _vocab = vocab;
    }

    /// <summary>How many tokens were chosen.</summary>
    public int Generated => _history.Generated;

    /// <summary>Prompt and answer.</summary>
    public ReadOnlySpan<int> Tokens => _history.Tokens;

    /// <summary>Whether the answer has as many tokens as it may, or the model as many as it can see.</summary>
    public bool IsFull => _history.IsFull;

    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">[vocab]; changed by penalties and bans.</param>
    /// <exception cref="LogitsException">A logit is NaN or +infinity, or no token is left.</exception>
    /// <exception cref="InvalidOperationException">The answer is full.</exception>
    public SampledToken Next(Span<float> logits, SamplingWorkspace workspace)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(logits.Length, _vocab);
        ArgumentOutOfRangeException.ThrowIfLessThan(workspace.Vocab, _vocab, nameof(workspace));
        if (IsFull)
            throw new InvalidOperationException($"The answer has {Generated} tokens; it may have no more.");
        var logSum = 0.0;
        workspace.TopCount = 0;
        if (_options.WantsLogProbabilities)
            logSum = ModelProbabilities.Read(logits, _options.TopLogProbabilities, workspace);
        _pipeline.Adjust(logits, _history);
        var token = LikeliestToken.Of(logits);
        if (!_options.IsGreedy)
        {
            _pipeline.Select(logits, workspace.Candidates);
            token = workspace.Candidates.Draw(CounterRandom.Uniform(_key, (ulong)Generated));
        }

        _history.Append(token);
        return new(
            token,
            _options.WantsLogProbabilities ? workspace.Unchanged[token] - logSum : null,
            _stopTokens.AsSpan().Contains(token));
    }
}

/// <summary>A token that was chosen.</summary>
/// <param name="LogProbability">The model's, before temperature, penalties and all else; null if not asked for.</param>
/// <param name="IsStop">Whether it is a stop token, which ends the sequence.</param>
public readonly record struct SampledToken(int Token, double? LogProbability, bool IsStop);
