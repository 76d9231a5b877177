using Serving.Tensors;

namespace Serving.Training.Autograd;

/// <summary>A tensor that can be trained: its values, and their gradient once it is.</summary>
public sealed class Parameter : IDisposable
{
    /// <param name="value">[rows, columns]; the parameter owns it.</param>
    /// <param name="decays">Whether weight decay applies; not to bias and norms (Loshchilov and Hutter 2019).</param>
    public Parameter(string name, Tensor value, bool decays)
    {
        Name = name;
        Value = value;
        Decays = decays;
    }

    public string Name { get; }

    public Tensor Value { get; }

    /// <summary>Shaped like the value; none while the parameter is frozen. Operations add to it.</summary>
    public Tensor Gradient { get; private set; }

    public bool Decays { get; }

    /// <summary>What the optimizer multiplies the learning rate by.</summary>
    public float LearningRateScale { get; set; } = 1f;

    public bool IsTrained => !Gradient.IsNone;

    /// <summary>Makes room for a gradient, zero at first.</summary>
    public void Train(TensorBackend backend)
    {
        if (!IsTrained)
            Gradient = backend.Allocate(Value.Rows, Value.Columns);
    }

    public void Dispose()
    {
        Value.Dispose();
        Gradient.Dispose();
    }
}

/// <summary>A linear layer's weight as an operation sees it: all rows of parameters, or some.</summary>
/// <param name="Value">[outFeatures, inFeatures]</param>
/// <param name="Gradient">None if the weight is frozen.</param>
/// <param name="Scores">Those of a mask over the weight (Zhao et al. 2020, sec. 3.2); none without one.</param>
/// <param name="ScoresGradient">None if the mask is frozen.</param>
public readonly record struct Weight(
    Tensor Value, Tensor Gradient = default, Tensor Scores = default, float Threshold = 0,
    Tensor ScoresGradient = default)
{
    public bool NeedsGradient => !Gradient.IsNone || !ScoresGradient.IsNone;

    internal Selection Selection => Scores.IsNone ? default : new(Scores, Threshold);

    /// <summary>Some of the output features.</summary>
    public Weight Slice(int firstRow, int rows) => new(
        Value.Slice(firstRow, rows),
        Slice(Gradient, firstRow, rows),
        Slice(Scores, firstRow, rows),
        Threshold,
        Slice(ScoresGradient, firstRow, rows));

    private static Tensor Slice(Tensor tensor, int firstRow, int rows) =>
        tensor.IsNone ? tensor : tensor.Slice(firstRow, rows);
}

/// <summary>A bias, or a norm's scale or shift, as an operation sees it.</summary>
/// <param name="Value">[1, features]</param>
/// <param name="Gradient">None if it is frozen.</param>
public readonly record struct Vector(Tensor Value, Tensor Gradient = default)
{
    /// <summary>All of a parameter.</summary>
    public static Vector Of(Parameter parameter) => new(parameter.Value, parameter.Gradient);

    /// <summary>Some of the features.</summary>
    public Vector Slice(int first, int count) =>
        new(Value.SliceColumns(first, count), Gradient.IsNone ? Gradient : Gradient.SliceColumns(first, count));
}
