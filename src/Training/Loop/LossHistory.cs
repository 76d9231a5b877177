namespace Serving.Training.Loop;

/// <summary>
/// The losses of the latest steps, which tell whether one jumps. Nothing that is trained depends on it.
/// </summary>
internal sealed class LossHistory
{
    private const int Kept = 20;
    private const int Enough = 3; // Steps before a loss can be called unusual.
    private const double Factor = 3; // Of the median.
    private const double Deviations = 8; // Of the median absolute deviation.
    private const int MostJumps = 10; // More of them say nothing new.

    private readonly Queue<double> _losses = new();
    private double? _first;
    private int _jumps;

    /// <summary>In their order, up to twenty; none after a resumption.</summary>
    public IReadOnlyList<double> Recent => [.. _losses];

    public void Add(double loss)
    {
        _losses.Enqueue(loss);
        if (_losses.Count > Kept)
            _losses.Dequeue();
        if (_losses.Count == Enough)
            _first ??= Median(_losses);
    }

    /// <summary>
    /// Whether a loss is far above the latest ones: three times their median, eight times their median absolute
    /// deviation above it, and not small beside the first losses.
    /// </summary>
    /// <param name="usual">The median of the latest ones.</param>
    public bool IsJump(double loss, out double usual)
    {
        usual = 0;
        if (_losses.Count < Enough || _jumps == MostJumps)
            return false;
        usual = Median(_losses);
        var middle = usual;
        var deviation = Median(_losses.Select(other => Math.Abs(other - middle)));
        var isJump = loss > Factor * usual && loss > usual + (Deviations * deviation) && loss > _first / 2;
        if (isJump)
            _jumps++;
        return isJump;
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
