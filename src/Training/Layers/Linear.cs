using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>A linear layer: x weightᵀ + bias.</summary>
/// <param name="Weight">[outFeatures, inFeatures]</param>
/// <param name="Bias">[1, outFeatures]</param>
public sealed record Linear(Parameter Weight, Parameter Bias)
{
    public int OutFeatures => Weight.Value.Rows;

    /// <param name="modules">
    /// Their parameters are these names with ".weight" and ".bias". Several with one input are stacked into one
    /// product.
    /// </param>
    public static Linear Add(
        ParameterSet parameters, int inFeatures, params (string Name, int OutFeatures)[] modules) => new(
        parameters.AddMatrix(
            inFeatures, [.. modules.Select(module => (module.Name + ".weight", module.OutFeatures))]),
        parameters.AddVector([.. modules.Select(module => (module.Name + ".bias", module.OutFeatures))]));

    /// <param name="x">[rows, inFeatures]</param>
    /// <param name="masks">Null for none.</param>
    /// <returns>[rows, outFeatures]</returns>
    public Variable Forward(Tape tape, Variable x, IWeightMasks? masks = null) =>
        tape.Linear(x, Through(masks), Vector.Of(Bias));

    /// <summary>Some of the output features.</summary>
    /// <returns>[rows, count]</returns>
    public Variable Forward(Tape tape, Variable x, int first, int count, IWeightMasks? masks) =>
        tape.Linear(x, Through(masks).Slice(first, count), Vector.Of(Bias).Slice(first, count));

    private Weight Through(IWeightMasks? masks) => masks?.Through(Weight) ?? Autograd.Weight.Of(Weight);
}
