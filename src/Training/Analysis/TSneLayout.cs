using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Serving.Training.Analysis;

/// <summary>Points of a t-SNE picture on their way down the gradient.</summary>
internal sealed class TSneLayout
{
    private const double LeastGain = 0.01;

    // So far away that no force reaches: its square is infinite, and a finite number times a weight of 0 is 0.
    private const double FarAway = 1e160;

    private static readonly int Lanes = Vector256<double>.Count;

    private readonly double[][] _affinities;
    private readonly Axis _x;
    private readonly Axis _y;

    /// <param name="affinities">[points][points], see <see cref="TSneAffinities.Joint"/>.</param>
    /// <param name="x">[points], where they begin.</param>
    /// <param name="y">[points]</param>
    public TSneLayout(double[][] affinities, double[] x, double[] y)
    {
        Count = x.Length;
        var padded = (Count + Lanes - 1) / Lanes * Lanes;
        _affinities = [.. affinities.Select(row => Padded(row, padded, 0))];
        (_x, _y) = (new(Padded(x, padded, FarAway)), new(Padded(y, padded, FarAway)));
    }

    public int Count { get; }

    public IEnumerable<ProjectedPoint> Points =>
        Enumerable.Range(0, Count).Select(i => new ProjectedPoint(_x.Places[i], _y.Places[i]));

    /// <summary>A step of gradient descent (sec. 3.4, alg. 1), with gains as Jacobs 1988 has them.</summary>
    /// <param name="exaggeration">What affinities are multiplied by.</param>
    public void Move(double exaggeration, double momentum, double learningRate)
    {
        var (x, y) = Gradient(exaggeration);
        _x.Move(x, momentum, learningRate);
        _y.Move(y, momentum, learningRate);
    }

    /// <summary>
    /// ∂C/∂y(i) = 4 Σ (p(i, j) - q(i, j)) w(i, j) (y(i) - y(j)), where w = 1 / (1 + |y(i) - y(j)|²), q = w / Σ w (eq. 4
    /// and 5).
    /// </summary>
    internal (double[] X, double[] Y) Gradient(double exaggeration)
    {
        var pulls = (X: new double[Count], Y: new double[Count]);
        var pushes = (X: new double[Count], Y: new double[Count]);
        var total = 0.0;
        for (var i = 0; i < Count; i++)
        {
            var (pullX, pullY) = (Vector256<double>.Zero, Vector256<double>.Zero);
            var (pushX, pushY, sum) = (Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero);
            var (hereX, hereY) = (Vector256.Create(_x.Places[i]), Vector256.Create(_y.Places[i]));
            var row = Blocks(_affinities[i]);
            var xs = Blocks(_x.Places);
            var ys = Blocks(_y.Places);
            for (var j = 0; j < row.Length; j++)
            {
                var (x, y) = (hereX - xs[j], hereY - ys[j]);
                var weight = Vector256<double>.One / (Vector256<double>.One + (x * x) + (y * y));
                var pull = row[j] * weight;
                var push = weight * weight;
                sum += weight;
                (pullX, pullY) = (pullX + (pull * x), pullY + (pull * y));
                (pushX, pushY) = (pushX + (push * x), pushY + (push * y));
            }

            total += Vector256.Sum(sum) - 1; // Without the point itself.
            (pulls.X[i], pulls.Y[i]) = (Vector256.Sum(pullX), Vector256.Sum(pullY));
            (pushes.X[i], pushes.Y[i]) = (Vector256.Sum(pushX), Vector256.Sum(pushY));
        }

        for (var i = 0; i < Count; i++)
        {
            pulls.X[i] = 4 * ((exaggeration * pulls.X[i]) - (pushes.X[i] / total));
            pulls.Y[i] = 4 * ((exaggeration * pulls.Y[i]) - (pushes.Y[i] / total));
        }

        return pulls;
    }

    /// <summary>C = Σ p ln(p / q) (eq. 2, of all pairs).</summary>
    public double Divergence()
    {
        var (sum, total) = (0.0, 0.0);
        for (var i = 0; i < Count; i++)
        {
            for (var j = 0; j < Count; j++)
            {
                if (j == i)
                    continue;
                var (x, y) = (_x.Places[i] - _x.Places[j], _y.Places[i] - _y.Places[j]);
                var (p, inverse) = (_affinities[i][j], 1 + (x * x) + (y * y));
                total += 1 / inverse;
                sum += p > 0 ? p * Math.Log(p * inverse) : 0;
            }
        }

        return sum + Math.Log(total); // Affinities add up to 1.
    }

    private static ReadOnlySpan<Vector256<double>> Blocks(double[] values) =>
        MemoryMarshal.Cast<double, Vector256<double>>(values.AsSpan());

    private static double[] Padded(double[] values, int length, double with) =>
        [.. values, .. Enumerable.Repeat(with, length - values.Length)];

    /// <summary>One coordinate of all points.</summary>
    /// <param name="places">Those of the points, and behind them what pads them.</param>
    private sealed class Axis(double[] places)
    {
        private readonly double[] _steps = new double[places.Length];
        private readonly double[] _gains = [.. Enumerable.Repeat(1.0, places.Length)];

        public double[] Places => places;

        /// <summary>Leaves the mean at 0.</summary>
        public void Move(double[] gradient, double momentum, double learningRate)
        {
            var sum = 0.0;
            for (var i = 0; i < gradient.Length; i++)
            {
                var goesOn = gradient[i] * _steps[i] < 0;
                _gains[i] = Math.Max(goesOn ? _gains[i] + 0.2 : _gains[i] * 0.8, LeastGain);
                _steps[i] = (momentum * _steps[i]) - (learningRate * _gains[i] * gradient[i]);
                places[i] += _steps[i];
                sum += places[i];
            }

            for (var i = 0; i < gradient.Length; i++)
                places[i] -= sum / gradient.Length;
        }
    }
}
