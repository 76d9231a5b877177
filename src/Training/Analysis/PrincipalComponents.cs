using MathNet.Numerics.LinearAlgebra;

namespace Serving.Training.Analysis;

/// <summary>Vectors by the directions of their largest variances.</summary>
/// <param name="Scores">
/// [vectors, components]: coordinates along unit vectors, whose largest coefficient is positive; the largest variance
/// first. 0 where the vectors do not vary in so many directions.
/// </param>
/// <param name="Total">The sum of squares around the mean, over all directions.</param>
internal sealed record PrincipalComponents(Matrix<double> Scores, double Total)
{
    private const double Rounding = 1e-12; // Of the largest eigenvalue: below it there is nothing but rounding.

    /// <param name="vectors">At least two, all of one length.</param>
    /// <param name="most">The most components; there are no more than coordinates.</param>
    public static PrincipalComponents Of(IReadOnlyList<float[]> vectors, int most)
    {
        var raw = Matrix<double>.Build.Dense(vectors.Count, vectors[0].Length, (row, column) => vectors[row][column]);
        var mean = raw.ColumnSums() / vectors.Count;
        var centered = Matrix<double>.Build.Dense(
            raw.RowCount, raw.ColumnCount, (row, column) => raw[row, column] - mean[column]);
        return new(
            Matrix<double>.Build.DenseOfColumnVectors(Directions(centered, most).Select(each => centered * each)),
            centered.Enumerate().Sum(value => value * value));
    }

    /// <summary>Unit vectors along the largest variances; zeros where there is no variance left.</summary>
    /// <param name="centered">[vectors, width], with means of 0.</param>
    /// <remarks>
    /// Eigenvectors of XᵀX, or, where there are fewer vectors than coordinates, of the smaller XXᵀ: Xᵀu is one of XᵀX
    /// for each eigenvector u of XXᵀ.
    /// </remarks>
    private static IEnumerable<Vector<double>> Directions(Matrix<double> centered, int most)
    {
        var isTall = centered.RowCount >= centered.ColumnCount;
        var products = isTall ? centered.TransposeThisAndMultiply(centered) : centered.TransposeAndMultiply(centered);
        var found = products.Evd(Symmetricity.Symmetric); // By rising eigenvalues.
        var (values, vectors) = (found.EigenValues.Real(), found.EigenVectors);
        for (var i = 1; i <= Math.Min(most, centered.ColumnCount); i++)
        {
            if (i > values.Count || values[^i] <= Rounding * values[^1])
            {
                yield return Vector<double>.Build.Dense(centered.ColumnCount);
                continue;
            }

            var vector = vectors.Column(values.Count - i);
            var direction = isTall ? vector : centered.TransposeThisAndMultiply(vector);
            yield return Upright(direction / direction.L2Norm());
        }
    }

    private static Vector<double> Upright(Vector<double> direction) =>
        direction[direction.AbsoluteMaximumIndex()] < 0 ? -direction : direction;
}
