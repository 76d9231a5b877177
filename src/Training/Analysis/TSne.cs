namespace Serving.Training.Analysis;

/// <summary>Vectors in two dimensions by t-SNE (van der Maaten and Hinton 2008): who is near whom is kept.</summary>
/// <remarks>
/// Exact: each step looks at all pairs. It begins with the first two principal components, so there is no seed and the
/// same vectors give the same bits. Distances between clusters, and their sizes, mean nothing.
/// </remarks>
/// <param name="Points">One for each vector.</param>
/// <param name="Perplexity">What was possible of the one asked for: at most a third of the other vectors.</param>
/// <param name="Divergence">KL(P || Q) in nats: what the picture does not show.</param>
public sealed record TSne(IReadOnlyList<ProjectedPoint> Points, double Perplexity, double Divergence)
{
    /// <summary>How many principal components the distances are measured in, as in the paper's sec. 4.2.</summary>
    internal const int Components = 50;

    private const int Steps = 1000;
    private const int ExaggeratedSteps = 250;
    private const double Exaggeration = 12;
    private const double FirstDeviation = 1e-4; // Sec. 3.4, alg. 1: of the first points.

    /// <param name="vectors">At least two, all of one length.</param>
    /// <param name="perplexity">How many neighbours of each vector count, about.</param>
    public static TSne Of(
        IReadOnlyList<float[]> vectors, double perplexity, CancellationToken cancellationToken = default) =>
        Of(PrincipalComponents.Of(vectors, Components), perplexity, cancellationToken);

    internal static TSne Of(PrincipalComponents components, double perplexity, CancellationToken cancellationToken)
    {
        var scores = components.Scores;
        perplexity = Math.Min(perplexity, TSneAffinities.MostPerplexity(scores.RowCount));
        var affinities = TSneAffinities.Joint(scores, perplexity, cancellationToken);
        var x = scores.Column(0);
        var deviation = Math.Sqrt(x.DotProduct(x) / x.Count);
        var scale = deviation > 0 ? FirstDeviation / deviation : 0;
        var layout = new TSneLayout(
            affinities, [.. scale * x], [.. scale * (scores.ColumnCount > 1 ? scores.Column(1) : 0 * x)]);
        for (var step = 0; step < Steps; step++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var isEarly = step < ExaggeratedSteps;
            layout.Move(isEarly ? Exaggeration : 1, momentum: isEarly ? 0.5 : 0.8, LearningRate(x.Count));
        }

        return new([.. layout.Points], perplexity, layout.Divergence());
    }

    /// <summary>The share of points whose nearest neighbour has their label; of equally near ones the first.</summary>
    public double NeighborAccuracy(IReadOnlyList<string> labels)
    {
        var hits = 0;
        for (var i = 0; i < Points.Count; i++)
        {
            var (nearest, least) = (-1, double.PositiveInfinity);
            for (var j = 0; j < Points.Count; j++)
            {
                var (x, y) = (Points[i].X - Points[j].X, Points[i].Y - Points[j].Y);
                if (j != i && (x * x) + (y * y) < least)
                    (nearest, least) = (j, (x * x) + (y * y));
            }

            hits += labels[nearest] == labels[i] ? 1 : 0;
        }

        return (double)hits / Points.Count;
    }

    /// <summary>Grows with the points, whose gradients get smaller (Belkina et al. 2019).</summary>
    /// <remarks>
    /// Half of what is stable while affinities are exaggerated. At least 50, as scikit-learn takes it, is too much for
    /// few points: a hundred in six Gaussian clusters end at a divergence of 0.73, and here at 0.55.
    /// </remarks>
    private static double LearningRate(int points) => Math.Max(points / Exaggeration / 4, 1);
}
