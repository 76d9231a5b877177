using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.TextMetrics;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;

namespace Serving.Training.LanguageModels;

/// <summary>How well a language model predicts held-out text.</summary>
/// <remarks>
/// "loss" is the mean cross-entropy of a token, in nats, "perplexity" its exponential, "accuracy" the share of tokens
/// with the largest logit. "character_perplexity" spreads the same sum over characters, ends of documents included:
/// models can be compared by it whatever their tokens are (Oncevay and Rivas Rojas 2020, sec. 4).
/// </remarks>
/// <param name="repetitions">
/// How continuations are made whose repetitions are measured, too: "seq_rep_4" is the share of four tokens in a row
/// that came before in a greedy continuation of held-out text (Welleck et al. 2020, sec. 6). Null for none.
/// </param>
internal sealed class LanguageModelEvaluator(
    Tape tape, DecoderModel model, TokenWindows heldOut, UnlikelihoodSettings? repetitions)
{
    private const int MostContinuations = 64;
    private const int RepeatedTokens = 4;

    public const string Loss = "loss";
    public const string Perplexity = "perplexity";
    public const string CharacterPerplexity = "character_perplexity";
    public const string Accuracy = "accuracy";
    public const string SequenceRepetition = "seq_rep_4";

    /// <summary>What the best state is chosen by: larger is better.</summary>
    public static double Score(Metrics metrics) => -metrics[Loss];

    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public Metrics Run(CancellationToken cancellationToken)
    {
        using var sums = tape.Backend.AllocateScalars(2);
        var count = 0L;
        var windows = Enumerable.Range(0, heldOut.Count).Select(i => heldOut[i]);
        foreach (var part in MicroBatches.Split(windows, window => window.Count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            int[] labels = [.. part.SelectMany(window => window.Labels.ToArray())];
            var hidden = model.Forward(tape, new([.. part.Select(window => window.Inputs)]), DropoutKeys.Off);
            tape.VocabularyLogits(hidden, model.Output, (logits, first) =>
            {
                var classes = tape.Indices(labels.AsSpan(first, logits.Rows));
                tape.Backend.CountCorrect(logits, classes, sums[1]);
                tape.Backend.SoftmaxCrossEntropy(logits, classes, scale: 1, logits, sums[0]);
            });
            count += labels.Length;
            tape.Reset(); // Not run backward.
        }

        Span<double> values = stackalloc double[2];
        sums.Read(values);
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal)
        {
            [Loss] = values[0] / count,
            [Perplexity] = Math.Exp(values[0] / count),
            [CharacterPerplexity] = Math.Exp(values[0] / heldOut.Characters),
            [Accuracy] = values[1] / count
        };
        if (MeanRepetition(cancellationToken) is { } repetition)
            metrics[SequenceRepetition] = repetition;
        return metrics;
    }

    /// <returns>Null where it is not asked for, or no held-out sequence is as long as a prefix.</returns>
    private double? MeanRepetition(CancellationToken cancellationToken)
    {
        if (repetitions is null)
            return null;
        var windows = Enumerable.Range(0, Math.Min(heldOut.Count, MostContinuations)).Select(i => heldOut[i]).ToList();
        var prefixes = Prefixes.Of(windows, repetitions.PrefixLength).Take(MostContinuations).ToList();
        if (prefixes.Count == 0)
            return null;
        using var decoder = new TextDecoder(tape.Backend, model);
        return decoder.Continue(prefixes, repetitions.ContinuationLength, cancellationToken)
            .Average(continuation => Repetition.SequenceRate(continuation, RepeatedTokens));
    }
}
