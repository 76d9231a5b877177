namespace Serving.Cli;

/// <summary>How predictions agree with what is right.</summary>
/// <param name="Accuracy">0 to 1.</param>
/// <param name="MacroF1">The mean of the labels' F1, as jobs report it; a label that never occurs counts as 0.</param>
/// <param name="F1">Of two labels that of the second, the positive one; null for more.</param>
/// <param name="Matthews">-1 to 1; R_K for more than two labels (Gorodkin 2004). 0 if a side has one label.</param>
internal sealed record ClassificationMetrics(double Accuracy, double MacroF1, double? F1, double Matthews)
{
    public static ClassificationMetrics Of(IReadOnlyList<(int Right, int Predicted)> pairs, int labels)
    {
        var right = new double[labels];
        var predicted = new double[labels];
        var hits = new double[labels];
        foreach (var (r, p) in pairs)
        {
            right[r]++;
            predicted[p]++;
            if (r == p)
                hits[r]++;
        }

        double F1Of(int label) =>
            right[label] + predicted[label] == 0 ? 0 : 2 * hits[label] / (right[label] + predicted[label]);
        double count = pairs.Count;
        var products = Enumerable.Range(0, labels).Sum(label => right[label] * predicted[label]);
        var spread = (count * count - right.Sum(n => n * n)) * (count * count - predicted.Sum(n => n * n));
        return new(
            hits.Sum() / count,
            Enumerable.Range(0, labels).Average(F1Of),
            labels == 2 ? F1Of(1) : null,
            spread <= 0 ? 0 : ((hits.Sum() * count) - products) / Math.Sqrt(spread));
    }
}
