using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Loop;

namespace Serving.Training.Pretraining;

/// <summary>Evaluates a backbone on held-out text, each objective on examples of its own.</summary>
/// <remarks>
/// "loss" and "masked_accuracy" are of masked language modelling. Others are named after their objective: "so_loss",
/// "so_accuracy" and "so_majority", the accuracy of guessing the most frequent class; "tf_r2", the explained part of
/// the variance; "qt_accuracy" among the texts of a part; "fs_cosine" of neighbors.
/// </remarks>
internal sealed class PretrainingEvaluator
{
    public const string Loss = "loss";
    public const string MaskedAccuracy = "masked_accuracy";

    private readonly Tape _tape;
    private readonly ObjectiveLosses _losses;
    private readonly List<(Objective Objective, List<PretrainingExample> Examples)> _sets = [];

    /// <param name="others">Beside masked language modelling.</param>
    /// <param name="key">Determines what is hidden.</param>
    public PretrainingEvaluator(
        Tape tape, ObjectiveLosses losses, ExampleSampler heldOut, IEnumerable<Objective> others, ulong key)
    {
        _tape = tape;
        _losses = losses;
        foreach (var objective in (IEnumerable<Objective>)[Objective.MaskedLanguageModel, .. others])
        {
            var alone = new HashSet<Objective> { objective };
            var examples = Enumerable.Range(0, heldOut.Spans.Count)
                .Select(span => heldOut.Sample(span, alone, CounterRandom.Bits(key, (ulong)span)));
            _sets.Add((objective, [.. examples]));
        }
    }

    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public IReadOnlyDictionary<string, double> Run(CancellationToken cancellationToken)
    {
        var metrics = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var (objective, examples) in _sets)
        {
            using var totals = new ObjectiveTotals(_tape.Backend);
            foreach (var part in MicroBatches.Split(examples, example => example.Tokens))
            {
                cancellationToken.ThrowIfCancellationRequested();
                _losses.Run(
                    part, new HashSet<Objective> { objective }, counts: null, DropoutKeys.Off, totals,
                    countsRight: true);
                _tape.Reset(); // Not run backward.
            }

            if (totals.Read().TryGetValue(objective, out var sums))
                Add(metrics, objective, examples, sums);
        }

        return metrics;
    }

    private static void Add(
        Dictionary<string, double> metrics, Objective objective, List<PretrainingExample> examples, ObjectiveSums sums)
    {
        var (name, loss, share) = (Objectives.Of(objective).Name, sums.Loss / sums.Count, sums.Right / sums.Count);
        if (objective == Objective.MaskedLanguageModel)
        {
            metrics[Loss] = loss;
            metrics[MaskedAccuracy] = share;
            return;
        }

        metrics[$"{name}_loss"] = loss;
        switch (Objectives.Of(objective).Predicts)
        {
            case Prediction.TokenNumber:
                metrics[$"{name}_r2"] = 1 - (sums.Loss / Variation(examples.SelectMany(example => example.Sequences)
                    .SelectMany(
                        sequence => sequence.Numbers.TryGetValue(objective, out var numbers) ? numbers.Values : [])));
                break;
            case Prediction.Similarity:
                metrics[objective == Objective.QuickThoughts ? $"{name}_accuracy" : $"{name}_cosine"] = share;
                break;
            case Prediction.InputClass or Prediction.TokenClass:
                metrics[$"{name}_accuracy"] = share;
                metrics[$"{name}_majority"] = examples.SelectMany(example => example.Sequences)
                    .SelectMany(
                        sequence => sequence.Classes.TryGetValue(objective, out var classes) ? classes.Values : [])
                    .CountBy(label => label).Max(count => count.Value) / (double)sums.Count;
                break;
            default:
                metrics[$"{name}_accuracy"] = share;
                break;
        }
    }

    /// <summary>The sum of squared differences from the mean.</summary>
    private static double Variation(IEnumerable<float> values)
    {
        var (count, sum, squares) = (0, 0.0, 0.0);
        foreach (double value in values)
        {
            count++;
            sum += value;
            squares += value * value;
        }

        return squares - (sum * sum / count);
    }
}
