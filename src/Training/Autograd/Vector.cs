using Serving.Tensors;

namespace Serving.Training.Autograd;

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
