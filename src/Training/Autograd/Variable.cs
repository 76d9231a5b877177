using Serving.Tensors;

namespace Serving.Training.Autograd;

/// <summary>An intermediate result of a step.</summary>
public sealed class Variable
{
    internal Variable(Tensor value, bool needsGradient)
    {
        Value = value;
        NeedsGradient = needsGradient;
    }

    /// <summary>Valid until the tape is reset.</summary>
    public Tensor Value { get; }

    /// <summary>Whether it depends on anything that is trained.</summary>
    public bool NeedsGradient { get; }

    /// <summary>Shaped like the value; none until the backward pass reaches something that used the variable.</summary>
    public Tensor Gradient { get; internal set; }
}
