using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Layers;
using Serving.Training.Loop;

namespace Serving.Training.LanguageModels;

/// <summary>What steps of a language model run on.</summary>
/// <param name="Sums">Two: of losses and of penalties.</param>
internal sealed record StepParts(Tape Tape, DecoderModel Model, ScalarBuffer Sums)
{
    /// <summary>What was added since the step began: losses, and penalties times their weight.</summary>
    public double Total(double penaltyWeight)
    {
        Span<double> values = stackalloc double[2];
        Sums.Read(values);
        return values[0] + (penaltyWeight * values[1]);
    }
}

/// <summary>Maximum likelihood of a step's tokens, and unlikelihood of those before them.</summary>
internal sealed class LikelihoodStep : IStep<TokenWindow>
{
    private readonly StepParts _parts;
    private readonly float _tokenWeight;
    private readonly int _endToken;
    private readonly int _count;

    /// <param name="tokenWeight">Of the unlikelihood; 0 for maximum likelihood alone.</param>
    public LikelihoodStep(StepParts parts, List<TokenWindow> windows, float tokenWeight, int endToken)
    {
        (_parts, _tokenWeight, _endToken, Examples) = (parts, tokenWeight, endToken, windows);
        _count = windows.Sum(window => window.Count);
        parts.Sums.Clear();
    }

    public IReadOnlyList<TokenWindow> Examples { get; }

    public double Loss => _parts.Total(_tokenWeight) / _count;

    public void Forward(IReadOnlyList<TokenWindow> part, DropoutKeys dropout)
    {
        var (tape, model, sums) = _parts;
        int[] labels = [.. part.SelectMany(window => window.Labels.ToArray())];
        var (candidates, ends) = (new List<int>(), new List<int> { 0 });
        foreach (var window in _tokenWeight > 0 ? part : [])
            UnlikelyTokens.AddPrevious(window, _endToken, candidates, ends);
        var hidden = model.Forward(tape, new([.. part.Select(window => window.Inputs)]), dropout);
        tape.VocabularyLoss(hidden, model.Output, (logits, first) =>
        {
            var classes = tape.Indices(labels.AsSpan(first, logits.Rows));
            if (_tokenWeight == 0)
            {
                tape.Backend.SoftmaxCrossEntropy(logits, classes, 1f / _count, logits, sums[0]);
                return;
            }

            var (begin, end) = (ends[first], ends[first + logits.Rows]);
            tape.Backend.SoftmaxUnlikelihood(
                logits, classes, tape.Indices([.. candidates[begin..end]]),
                tape.Indices([.. ends[first..(first + logits.Rows + 1)].Select(each => each - begin)]), 1f / _count,
                _tokenWeight / _count, logits, sums[0], sums[1]);
        });
    }
}

/// <summary>Unlikelihood of repetitions in continuations of the model's own.</summary>
/// <remarks>
/// The continuations were decoded before, without gradients and without dropout; here the same tokens run as a text
/// does, also without dropout, and the penalty's gradient flows through their probabilities (Welleck et al. 2020, sec.
/// 5).
/// </remarks>
internal sealed class ContinuationStep : IStep<TokenWindow>
{
    private readonly StepParts _parts;
    private readonly UnlikelihoodSettings _settings;
    private readonly int _count;

    /// <param name="windows">Prefixes with their continuations.</param>
    public ContinuationStep(StepParts parts, List<TokenWindow> windows, UnlikelihoodSettings settings)
    {
        (_parts, _settings, Examples) = (parts, settings, windows);
        _count = windows.Count * settings.ContinuationLength;
        parts.Sums.Clear();
    }

    public IReadOnlyList<TokenWindow> Examples { get; }

    public double Loss
    {
        get
        {
            Span<double> values = stackalloc double[2];
            _parts.Sums.Read(values);
            return values[1] / _count;
        }
    }

    public void Forward(IReadOnlyList<TokenWindow> part, DropoutKeys dropout)
    {
        var (tape, model, sums) = _parts;
        var (rows, labels) = (new List<int>(), new List<int>());
        foreach (var (i, window) in part.Index())
        {
            var repeated = UnlikelyTokens.Repeated(
                window.Tokens.AsSpan(_settings.PrefixLength), _settings.RepeatedTokens);
            for (var at = 0; at < repeated.Length; at++)
            {
                if (!repeated[at])
                    continue;
                var label = _settings.PrefixLength + at;
                rows.Add((i * window.Count) + label - 1);
                labels.Add(window.Tokens[label]);
            }
        }

        if (rows.Count == 0)
            return; // Nothing is repeated.
        var hidden = model.Forward(tape, new([.. part.Select(window => window.Inputs)]), DropoutKeys.Off);
        hidden = tape.GatherRows(hidden, tape.Indices([.. rows]));
        tape.VocabularyLoss(hidden, model.Output, (logits, first) =>
        {
            var classes = tape.Indices([.. labels[first..(first + logits.Rows)]]);
            tape.Backend.SoftmaxUnlikelihood(
                logits, classes, classes, tape.Indices([.. Enumerable.Range(0, logits.Rows + 1)]), scale: 0,
                1f / _count, logits, sums[0], sums[1]);
        });
    }
}
