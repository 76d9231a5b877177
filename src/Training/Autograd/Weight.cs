using Serving.Tensors;

namespace Serving.Training.Autograd;

/// <summary>A linear layer's weight as an operation sees it: all rows of parameters, or some.</summary>
/// <param name="Value">[outFeatures, inFeatures]</param>
/// <param name="Gradient">None if the weight is frozen.</param>
/// <param name="Scores">Those of a mask over the weight (Zhao et al. 2020, sec. 3.2); none without one.</param>
/// <param name="ScoresGradient">None if the mask is frozen.</param>
public readonly record struct Weight(
    Tensor Value, Tensor Gradient = default, Tensor Scores = default, float Threshold = 0,
    Tensor ScoresGradient = default)
{
    /// <summary>All of a parameter, without a mask.</summary>
    public static Weight Of(Parameter parameter) => new(parameter.Value, parameter.Gradient);

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
