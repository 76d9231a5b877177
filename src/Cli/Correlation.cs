namespace Serving.Cli;

/// <summary>How numbers agree.</summary>
internal static class Correlation
{
    /// <summary>Pearson's coefficient, -1 to 1; 0 if a side is constant.</summary>
    public static double Pearson(IReadOnlyCollection<(double Right, double Predicted)> pairs)
    {
        if (pairs.Count == 0)
            return 0;
        var (meanRight, meanPredicted) = (pairs.Average(pair => pair.Right), pairs.Average(pair => pair.Predicted));
        var (products, squares, predictedSquares) = (0.0, 0.0, 0.0);
        foreach (var (right, predicted) in pairs)
        {
            products += (right - meanRight) * (predicted - meanPredicted);
            squares += (right - meanRight) * (right - meanRight);
            predictedSquares += (predicted - meanPredicted) * (predicted - meanPredicted);
        }

        return squares == 0 || predictedSquares == 0 ? 0 : products / Math.Sqrt(squares * predictedSquares);
    }
}
