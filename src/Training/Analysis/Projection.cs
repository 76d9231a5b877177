using MathNet.Numerics.LinearAlgebra;

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
    public static Projection Of(IReadOnlyList<float[]> vectors, IReadOnlyList<string> labels)
    {
        var raw = Matrix<double>.Build.Dense(vectors.Count, vectors[0].Length, (row, column) => vectors[row][column]);
        var mean = raw.ColumnSums() / vectors.Count;
        var centered = Matrix<double>.Build.Dense(
            raw.RowCount, raw.ColumnCount, (row, column) => raw[row, column] - mean[column]);
        var total = centered.Enumerate().Sum(value => value * value);
        var components = Directions(centered).Select(direction => centered * Upright(direction)).ToList();
        return new(
            [.. components[0].Zip(components[1], (x, y) => new ProjectedPoint(x, y))],
            [.. components.Select(component => total == 0 ? 0 : component.DotProduct(component) / total)],
            MeanSilhouette(vectors, labels));
    }

    /// <summary>Unit vectors along the largest variances.</summary>
    /// <param name="centered">[vectors, width], with means of 0.</param>
    /// <remarks>
    /// Eigenvectors of XᵀX, or, where there are fewer vectors than coordinates, of the smaller XXᵀ: Xᵀu is one of XᵀX
    /// for each eigenvector u of XXᵀ.
    /// </remarks>
    private static IEnumerable<Vector<double>> Directions(Matrix<double> centered)
    {
        var isTall = centered.RowCount >= centered.ColumnCount;
        var products = isTall ? centered.TransposeThisAndMultiply(centered) : centered.TransposeAndMultiply(centered);
        var vectors = products.Evd(Symmetricity.Symmetric).EigenVectors; // By rising eigenvalues.
        for (var i = 1; i <= Components; i++)
        {
            var found = i <= vectors.ColumnCount
                ? vectors.Column(vectors.ColumnCount - i)
                : Vector<double>.Build.Dense(vectors.RowCount);
            var direction = isTall ? found : centered.TransposeThisAndMultiply(found);
            var length = direction.L2Norm();
            yield return length == 0 ? direction : direction / length;
        }
    }

    private static Vector<double> Upright(Vector<double> direction) =>
        direction[direction.AbsoluteMaximumIndex()] < 0 ? -direction : direction;

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
