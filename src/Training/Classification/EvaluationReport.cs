using System.Text.Json.Serialization;

namespace Serving.Training.Classification;

/// <summary>Predictions of about the same confidence.</summary>
/// <param name="Confidence">Their mean probability of what they predict, 0 to 1.</param>
/// <param name="Accuracy">How many are right, 0 to 1.</param>
/// <param name="Examples">At least one.</param>
public sealed record CalibrationBin(double Confidence, double Accuracy, int Examples);

/// <summary>How a classifier did on examples whose labels are known.</summary>
public sealed record EvaluationReport
{
    private const int Bins = 10;

    public required int Examples { get; init; }

    /// <summary>Mean cross-entropy in nats; mean squared error for regression.</summary>
    public required double Loss { get; init; }

    /// <summary>0 to 1; 0 for regression.</summary>
    public double Accuracy { get; init; }

    /// <summary>The mean of the labels' F1, 0 to 1. A label that never occurs counts as 0.</summary>
    public double MacroF1 { get; init; }

    /// <summary>F1 over all decisions together, 0 to 1: where each example has one label, the accuracy.</summary>
    public double MicroF1 => Accuracy;

    /// <summary>Of each label, in their order.</summary>
    public IReadOnlyList<double> F1 { get; init; } = [];

    /// <summary>-1 to 1, R_K for more than two labels (Gorodkin 2004); 0 if either side knows one label only.</summary>
    public double Matthews { get; init; }

    /// <summary>[right label][predicted label]</summary>
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; init; } = [];

    /// <summary>Expected calibration error over ten bins of confidence (Guo et al. 2017, eq. 3).</summary>
    public double CalibrationError { get; init; }

    /// <summary>The bins of confidence that have examples.</summary>
    public IReadOnlyList<CalibrationBin> Calibration { get; init; } = [];

    /// <summary>For regression: correlation of predictions and targets; 0 if either does not vary.</summary>
    public double Pearson { get; init; }

    /// <summary>What chooses the best state, of equal ones the loss: accuracy, or correlation for regression.</summary>
    public double Metric => Confusion.Count > 0 ? Accuracy : Pearson;

    /// <summary>The label that all examples are taken for, though they have several; null if it is not so.</summary>
    [JsonIgnore]
    public int? OnlyPrediction
    {
        get
        {
            int[] predicted = [.. Enumerable.Range(0, Confusion.Count).Where(i => Confusion.Any(row => row[i] > 0))];
            return predicted is [var only] && Confusion.Count(row => row.Any(count => count > 0)) > 1 ? only : null;
        }
    }

    /// <summary>The single numbers, by name.</summary>
    public IReadOnlyDictionary<string, double> ToMetrics(bool isRegression) => isRegression
        ? new Dictionary<string, double>(StringComparer.Ordinal) { ["loss"] = Loss, ["pearson"] = Pearson }
        : new Dictionary<string, double>(StringComparer.Ordinal)
        {
            ["loss"] = Loss,
            ["accuracy"] = Accuracy,
            ["macro_f1"] = MacroF1,
            ["micro_f1"] = MicroF1,
            ["matthews"] = Matthews,
            ["calibration_error"] = CalibrationError
        };

    /// <param name="logits">[examples][labels]</param>
    public static EvaluationReport OfLabels(IReadOnlyList<float[]> logits, IReadOnlyList<int> labels)
    {
        var classes = logits[0].Length;
        var confusion = new int[classes][];
        for (var i = 0; i < classes; i++)
            confusion[i] = new int[classes];
        var loss = 0.0;
        var (confidences, hits, counts) = (new double[Bins], new double[Bins], new int[Bins]);
        for (var i = 0; i < labels.Count; i++)
        {
            double largest = logits[i].Max();
            var sum = logits[i].Sum(logit => Math.Exp(logit - largest));
            loss += Math.Log(sum) + largest - logits[i][labels[i]];
            var predicted = Array.IndexOf(logits[i], (float)largest);
            confusion[labels[i]][predicted]++;
            var bin = Math.Min(Bins - 1, (int)(Bins / sum));
            confidences[bin] += 1 / sum;
            hits[bin] += predicted == labels[i] ? 1 : 0;
            counts[bin]++;
        }

        double count = labels.Count;
        double[] right = [.. confusion.Select(row => (double)row.Sum())];
        double[] predictions =
            [.. Enumerable.Range(0, classes).Select(column => (double)confusion.Sum(row => row[column]))];
        double[] correct = [.. Enumerable.Range(0, classes).Select(label => (double)confusion[label][label])];
        double[] f1 = [.. Enumerable.Range(0, classes).Select(label =>
            right[label] + predictions[label] == 0 ? 0 : 2 * correct[label] / (right[label] + predictions[label]))];
        var spread = ((count * count) - right.Sum(n => n * n)) * ((count * count) - predictions.Sum(n => n * n));
        var covariance = (correct.Sum() * count) - right.Zip(predictions, (a, b) => a * b).Sum();
        return new()
        {
            Examples = labels.Count,
            Loss = loss / count,
            Accuracy = correct.Sum() / count,
            MacroF1 = f1.Average(),
            F1 = f1,
            Matthews = spread <= 0 ? 0 : covariance / Math.Sqrt(spread),
            Confusion = confusion,
            Calibration = [.. Enumerable.Range(0, Bins).Where(bin => counts[bin] > 0)
                .Select(
                    bin => new CalibrationBin(confidences[bin] / counts[bin], hits[bin] / counts[bin], counts[bin]))],
            CalibrationError = Enumerable.Range(0, Bins).Sum(bin => Math.Abs(hits[bin] - confidences[bin])) / count
        };
    }

    public static EvaluationReport OfNumbers(IReadOnlyList<float> predictions, IReadOnlyList<float> targets)
    {
        var (meanPrediction, meanTarget) =
            (predictions.Average(value => (double)value), targets.Average(value => (double)value));
        double covariance = 0, ofPredictions = 0, ofTargets = 0, error = 0;
        for (var i = 0; i < targets.Count; i++)
        {
            var (p, t) = (predictions[i] - meanPrediction, targets[i] - meanTarget);
            covariance += p * t;
            ofPredictions += p * p;
            ofTargets += t * t;
            error += Math.Pow((double)predictions[i] - targets[i], 2);
        }

        var spread = ofPredictions * ofTargets;
        return new()
        {
            Examples = targets.Count,
            Loss = error / targets.Count,
            Pearson = spread <= 0 ? 0 : covariance / Math.Sqrt(spread)
        };
    }
}
