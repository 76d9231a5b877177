using Serving.Tensors;
using Serving.Training.Autograd;

namespace Serving.Training.Optimization;

/// <summary>Moves parameters along their gradients; keeps float32 state for each.</summary>
public sealed class AdamOptimizer : IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly AdamSettings _settings;
    private readonly ScalarBuffer _sum;
    private readonly List<(Parameter Parameter, Tensor Mean, Tensor Variance)> _states;

    /// <param name="parameters">Those that are frozen are skipped.</param>
    public AdamOptimizer(TrainingBackend backend, IEnumerable<Parameter> parameters, AdamSettings settings)
    {
        _backend = backend;
        _settings = settings;
        _sum = backend.AllocateScalars(1);
        _states =
        [
            .. parameters.Where(parameter => parameter.IsTrained)
                .Select(parameter => (parameter, Zeros(parameter), Zeros(parameter)))
        ];

        Tensor Zeros(Parameter parameter) => backend.Allocate(parameter.Value.Rows, parameter.Value.Columns);
    }

    /// <summary>Steps so far; set when training goes on from a checkpoint.</summary>
    public long Steps { get; set; }

    /// <summary>The moving averages of each parameter, by name.</summary>
    public IEnumerable<(string Name, Tensor Tensor)> State => _states.SelectMany(state => ((string, Tensor)[])
        [($"mean of {state.Parameter.Name}", state.Mean), ($"variance of {state.Parameter.Name}", state.Variance)]);

    /// <summary>The norm of all gradients together.</summary>
    public double GradientNorm() => Math.Sqrt(SumOfSquares(_states.Select(state => state.Parameter)));

    /// <summary>Moves all parameters, and sets the gradients to zero.</summary>
    /// <returns>The norm of the gradients before clipping.</returns>
    /// <exception cref="DivergedException">A gradient is no finite number; nothing has moved.</exception>
    public double Step(float learningRate)
    {
        var norm = GradientNorm();
        if (!double.IsFinite(norm))
            throw NotFinite();
        Steps++;
        var scale = _settings.MaxGradientNorm > 0 && norm > _settings.MaxGradientNorm
            ? (float)(_settings.MaxGradientNorm / norm)
            : 1f;
        foreach (var (parameter, mean, variance) in _states)
        {
            _backend.Adam(parameter.Value, parameter.Gradient, mean, variance, new(
                learningRate * parameter.LearningRateScale,
                Steps,
                _settings.Beta1,
                _settings.Beta2,
                _settings.Epsilon,
                parameter.Decays ? _settings.WeightDecay : 0,
                _settings.IsDecoupled,
                scale));
            _backend.Fill(parameter.Gradient, 0f);
        }

        return norm;
    }

    public void Dispose()
    {
        foreach (var (_, mean, variance) in _states)
        {
            mean.Dispose();
            variance.Dispose();
        }

        _sum.Dispose();
    }

    /// <summary>Of all gradients, added up on the device.</summary>
    private double SumOfSquares(IEnumerable<Parameter> parameters)
    {
        _sum.Clear();
        foreach (var parameter in parameters)
            _backend.SumOfSquares(parameter.Gradient, _sum[0]);
        var sum = 0.0;
        _sum.Read(new Span<double>(ref sum));
        return sum;
    }

    private DivergedException NotFinite()
    {
        var first = _states.Find(state => !double.IsFinite(SumOfSquares([state.Parameter]))).Parameter;
        return new($"The gradient of '{first?.Name}' is no finite number at step {Steps + 1}.");
    }
}
