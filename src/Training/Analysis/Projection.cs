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
    private const int Iterations = 200;

    /// <param name="vectors">At least two, all of one length.</param>
    /// <param name="labels">One a vector.</param>
    public static Projection Of(IReadOnlyList<float[]> vectors, IReadOnlyList<string> labels)
    {
        var width = vectors[0].Length;
        var mean = new double[width];
        foreach (var vector in vectors)
        {
            for (var i = 0; i < width; i++)
                mean[i] += vector[i] / (double)vectors.Count;
        }

        double[][] centered = [.. vectors.Select(vector => vector.Select((value, i) => value - mean[i]).ToArray())];
        var total = centered.Sum(vector => Dot(vector, vector));
        var first = Direction(centered, without: null);
        var second = Direction(centered, first);
        ProjectedPoint[] points =
            [.. centered.Select(vector => new ProjectedPoint(Dot(vector, first), Dot(vector, second)))];
        return new(
            points,
            total == 0
                ? [0, 0]
                : [points.Sum(point => point.X * point.X) / total, points.Sum(point => point.Y * point.Y) / total],
            MeanSilhouette(vectors, labels));
    }

    /// <summary>The direction of the largest variance, by power iteration.</summary>
    private static double[] Direction(double[][] vectors, double[]? without)
    {
        // Begins at the longest vector, which can't be at a right angle to all of them.
        var direction = Unit(
            Without(vectors.MaxBy(vector => Dot(Without(vector, without), Without(vector, without)))!, without));
        for (var iteration = 0; iteration < Iterations; iteration++)
        {
            var next = new double[direction.Length];
            foreach (var vector in vectors)
            {
                var part = Dot(vector, direction);
                for (var i = 0; i < next.Length; i++)
                    next[i] += part * vector[i];
            }

            direction = Unit(Without(next, without));
        }

        return direction;
    }

    private static double[] Without(double[] vector, double[]? direction)
    {
        if (direction is null)
            return vector;
        var part = Dot(vector, direction);
        return [.. vector.Select((value, i) => value - (part * direction[i]))];
    }

    private static double[] Unit(double[] vector)
    {
        var length = Math.Sqrt(Dot(vector, vector));
        return length == 0 ? vector : [.. vector.Select(value => value / length)];
    }

    private static double Dot(double[] a, double[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
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
