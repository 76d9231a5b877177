using Serving.Tensors;

namespace Serving.Training.Bert;

/// <summary>What a <see cref="SparsityController"/> remembers from step to step.</summary>
/// <param name="Multiplier">λ, 0 at first.</param>
/// <param name="Mean">Adam's moving average of λ's gradient.</param>
/// <param name="Variance">That of its square.</param>
public sealed record SparsityState(double Multiplier, double Mean, double Variance);

/// <summary>
/// Leads the sparsity of masks to a target by a penalty, λ √N (target - sparsity)², whose λ Adam raises.
/// </summary>
/// <remarks>
/// Zhao et al. 2020 leave sparsity to itself; their published code has this penalty as an option, without √N, where N
/// counts the masked weights. The factor keeps the penalty's share of all gradients' norm apart from the size of the
/// model. Without it and at a rate of 1, sparsity arrives too, but on a backbone of 4 x 256 it lags by up to 0.045
/// behind a target that rises from 0.05 to 0.3 in 126 steps, instead of 0.005. The target follows Zhu and Gupta 2017,
/// eq. 1.
/// </remarks>
internal sealed class SparsityController : IDisposable
{
    private const double Begin = 0.1; // Of all steps: until then the target stays as it begins.
    private const double End = 0.8; // From then on it stays as it ends, while rates are still large enough to follow.
    private const double Beta1 = 0.9;
    private const double Beta2 = 0.999;
    private const double Epsilon = 1e-8;

    private readonly TrainingBackend _backend;
    private readonly BertScores _scores;
    private readonly MaskSettings _settings;
    private readonly long _steps;
    private readonly double _count;

    // A number is added to a gradient as the product of a column of ones and a row of that number.
    private readonly Tensor _ones;
    private readonly Tensor _numbers;

    /// <param name="settings">With a final sparsity.</param>
    /// <param name="steps">Of the whole training.</param>
    public SparsityController(TrainingBackend backend, BertScores scores, MaskSettings settings, long steps)
    {
        (_backend, _scores, _settings, _steps) = (backend, scores, settings, steps);
        _count = scores.Masked.Sum(masked => (double)masked.Rows * masked.Columns);
        _ones = backend.Allocate(scores.Masked.Max(masked => masked.Rows), 1);
        _numbers = backend.Allocate(scores.Masked.Max(masked => masked.Columns), 1);
        backend.Fill(_ones, 1f);
    }

    public SparsityState State { get; set; } = new(0, 0, 0);

    /// <summary>s(t) = s_f + (s_i - s_f) (1 - (t - t₀) / Δ)³.</summary>
    /// <param name="step">From 1.</param>
    public double Target(long step)
    {
        var (initial, final) = (_settings.InitialSparsity, _settings.FinalSparsity!.Value);
        var done = Math.Clamp(((double)step / _steps - Begin) / (End - Begin), 0, 1);
        return final + ((initial - final) * Math.Pow(1 - done, 3));
    }

    /// <summary>Whether the target is where it stays.</summary>
    public bool HasArrived(long step) => step >= End * _steps;

    /// <summary>Adds the penalty's gradient to those of the scores, then raises the multiplier.</summary>
    /// <remarks>
    /// Straight through the threshold, each score lowers sparsity by 1 / N. Gradients are clipped after this, the
    /// penalty's along with the loss's.
    /// </remarks>
    /// <param name="step">From 1.</param>
    public void Apply(long step)
    {
        var lack = Target(step) - _scores.Sparsity();
        var gradient = (float)(2 * State.Multiplier * lack / Math.Sqrt(_count));
        foreach (var (name, rows, columns) in _scores.Masked)
        {
            var numbers = _numbers.Slice(0, columns);
            _backend.Fill(numbers, gradient);
            _backend.Multiply(
                _ones.Slice(0, rows), numbers, Transposed.Right, default, default, accumulate: true,
                _scores.GradientOf(name));
        }

        Raise(lack * lack, step);
    }

    public void Dispose()
    {
        _ones.Dispose();
        _numbers.Dispose();
    }

    /// <summary>A step of Adam (Kingma and Ba 2015, alg. 1), upwards.</summary>
    private void Raise(double gradient, long step)
    {
        var mean = (Beta1 * State.Mean) + ((1 - Beta1) * gradient);
        var variance = (Beta2 * State.Variance) + ((1 - Beta2) * gradient * gradient);
        var deviation = Math.Sqrt(variance / (1 - Math.Pow(Beta2, step)));
        var rise = mean / (1 - Math.Pow(Beta1, step)) / (deviation + Epsilon);
        var rate = _settings.SparsityRate ?? MaskSettings.DefaultSparsityRate;
        State = new(State.Multiplier + (rate * rise), mean, variance);
    }
}
