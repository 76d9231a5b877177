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
