namespace Serving.Training.Analysis;

/// <summary>A point of a <see cref="Projection"/>.</summary>
public readonly record struct ProjectedPoint(double X, double Y);

/// <summary>Vectors in two dimensions.</summary>
/// <param name="Points">One for each vector: its coordinates along the two directions of largest variance.</param>
/// <param name="Explained">The share of the variance along each of the two.</param>
/// <param name="Silhouette">The labels' mean silhouette in full width, -1 to 1 (Rousseeuw 1987).</param>
public sealed record Projection(
    IReadOnlyList<ProjectedPoint> Points, IReadOnlyList<double> Explained, double Silhouette)
{
    private const int Components = 2;

    /// <summary>The two principal components. Along each direction the largest coefficient is positive.</summary>
    /// <param name="vectors">At least two, all of one length.</param>
    /// <param name="labels">One a vector.</param>
    public static Projection Of(IReadOnlyList<float[]> vectors, IReadOnlyList<string> labels) =>
        Of(PrincipalComponents.Of(vectors, Components), vectors, labels);

    /// <param name="components">Of the vectors.</param>
    internal static Projection Of(
        PrincipalComponents components, IReadOnlyList<float[]> vectors, IReadOnlyList<string> labels)
    {
        var (scores, total) = components;
        var (x, y) = (scores.Column(0), scores.ColumnCount > 1 ? scores.Column(1) : 0 * scores.Column(0));
        return new(
            [.. x.Zip(y, (left, right) => new ProjectedPoint(left, right))],
            [.. new[] { x, y }.Select(component => total == 0 ? 0 : component.DotProduct(component) / total)],
            MeanSilhouette(vectors, labels));
    }

    /// <summary>
    /// Mean of (b - a) / max(a, b): a is the mean distance within a label, b that to the nearest other.
    /// </summary>
    private static double MeanSilhouette(IReadOnlyList<float[]> vectors, IReadOnlyList<string> labels)
    {
        var names = labels.Distinct(StringComparer.Ordinal).ToList();
        var numbers = labels.Select(label => names.IndexOf(label)).ToArray();
        var sizes = names.ConvertAll(name => labels.Count(label => label == name));
        var sum = 0.0;
        var distances = new double[names.Count];
        for (var i = 0; i < vectors.Count; i++)
        {
            Array.Clear(distances);
            for (var j = 0; j < vectors.Count; j++)
                distances[numbers[j]] += Distance(vectors[i], vectors[j]);
            var own = numbers[i];
            if (sizes[own] < 2 || names.Count < 2)
                continue; // Counts as 0, by definition.
            var a = distances[own] / (sizes[own] - 1);
            var b = Enumerable.Range(0, names.Count).Where(label => label != own)
                .Min(label => distances[label] / sizes[label]);
            sum += Math.Max(a, b) == 0 ? 0 : (b - a) / Math.Max(a, b);
        }

        return sum / vectors.Count;
    }

    private static double Distance(float[] a, float[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return Math.Sqrt(sum);
    }
}
