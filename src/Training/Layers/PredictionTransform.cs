using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>What token predictions begin with: dense, GELU, norm (Devlin et al. 2019).</summary>
/// <param name="Dense">[hidden, hidden]</param>
public sealed record PredictionTransform(Linear Dense, LayerNorm Norm)
{
    /// <param name="name">Its parts are this with ".dense" and ".LayerNorm".</param>
    public static PredictionTransform Add(ParameterSet parameters, string name, int hidden, float epsilon) => new(
        Linear.Add(parameters, hidden, (name + ".dense", hidden)),
        LayerNorm.Add(parameters, name + ".LayerNorm", hidden, epsilon));

    /// <param name="x">[rows, hidden]</param>
    /// <returns>[rows, hidden]</returns>
    public Variable Forward(Tape tape, Variable x) => Finish(tape, Dense.Forward(tape, x));

    /// <summary>GELU and norm of what the dense layer gave.</summary>
    public Variable Finish(Tape tape, Variable dense) => Norm.Forward(tape, tape.Gelu(dense));
}
