using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Tests.Autograd;

/// <summary>Gradients of a weight under a mask, against central differences in double.</summary>
public sealed class LinearOperationTests : IDisposable
{
    private const int Rows = 7;
    private const int InFeatures = 13;
    private const int OutFeatures = 70; // More than a block of those that are masked at once.
    private const float Threshold = 0.01f;
    private const double H = 1e-4;

    /// <summary>Of the largest gradient; measured 1e-7.</summary>
    private const double Tolerance = 1e-6;

    private readonly TrainingBackend _backend = Small.Backend();
    private readonly Parameter _weight;
    private readonly Parameter _scores;
    private readonly float[] _x = Random(1, Rows * InFeatures);
    private readonly float[] _targets = Random(2, Rows * OutFeatures);

    public LinearOperationTests()
    {
        _weight = new("weight", _backend.Allocate(OutFeatures, InFeatures), decays: true);
        _weight.Value.CopyFrom(Random(3, OutFeatures * InFeatures));
        _scores = new("scores", _backend.Allocate(OutFeatures, InFeatures), decays: false);
        _scores.Value.CopyFrom(Random(4, OutFeatures * InFeatures)); // About half of them are kept.
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Backward_TrainedWeightUnderAMask_HasTheMaskedGradient(bool trainsScores)
    {
        _weight.Train(_backend);
        if (trainsScores)
            _scores.Train(_backend);

        Step();
        AssertWeightGradient(steps: 1);
        Step();
        AssertWeightGradient(steps: 2); // Gradients add up.
    }

    /// <summary>The straight-through gradient: that of the masked weight, unmasked, times the weight.</summary>
    [Fact]
    public void Backward_TrainedScores_DoNotDependOnWhetherTheWeightIsTrained()
    {
        _scores.Train(_backend);
        Step();
        var alone = _scores.Gradient.ToArray();
        _backend.Fill(_scores.Gradient, 0f);
        _weight.Train(_backend);
        Step();
        Assert.Equal(alone, _scores.Gradient.ToArray());
        Assert.All(alone, gradient => Assert.NotEqual(0, gradient));
    }

    public void Dispose()
    {
        _weight.Dispose();
        _scores.Dispose();
        _backend.Dispose();
    }

    private void Step()
    {
        using var tape = new Tape(_backend);
        var x = tape.NewVariable(Rows, InFeatures, needsGradient: false);
        x.Value.CopyFrom(_x);
        var output = tape.Linear(
            x, new(_weight.Value, _weight.Gradient, _scores.Value, Threshold, _scores.Gradient), default);
        tape.SquaredError(output, _targets, scale: 1);
        tape.Backward();
    }

    private void AssertWeightGradient(int steps)
    {
        var (weight, scores) = (_weight.Value.ToArray(), _scores.Value.ToArray());
        double[] masked = [.. weight.Zip(scores, (value, score) => score > Threshold ? (double)value : 0)];
        var expected = new double[weight.Length];
        for (var i = 0; i < weight.Length; i++)
        {
            if (scores[i] <= Threshold)
                continue; // The loss does not depend on it.
            var value = masked[i];
            masked[i] = value + H;
            var above = Loss(masked);
            masked[i] = value - H;
            expected[i] = steps * (above - Loss(masked)) / (2 * H);
            masked[i] = value;
        }

        var tolerance = Tolerance * expected.Max(Math.Abs);
        Assert.All(
            _weight.Gradient.ToArray().Zip(expected), pair => Assert.Equal(pair.Second, pair.First, tolerance));
    }

    /// <summary>The scalar twin: squared error of x weightᵀ.</summary>
    private double Loss(double[] weight)
    {
        var sum = 0.0;
        for (var row = 0; row < Rows; row++)
        {
            for (var feature = 0; feature < OutFeatures; feature++)
            {
                var output = 0.0;
                for (var i = 0; i < InFeatures; i++)
                    output += (double)_x[(row * InFeatures) + i] * weight[(feature * InFeatures) + i];
                var error = output - _targets[(row * OutFeatures) + feature];
                sum += error * error;
            }
        }

        return sum;
    }

    private static float[] Random(ulong seed, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (float)CounterRandom.Normal(seed, (ulong)i))];
}
