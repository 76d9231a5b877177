using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>Layer normalization (Ba et al. 2016).</summary>
/// <param name="Gamma">The scale, [1, features].</param>
/// <param name="Beta">The shift, [1, features].</param>
public sealed record LayerNorm(Parameter Gamma, Parameter Beta, float Epsilon)
{
    /// <param name="name">Its parameters are this with ".weight" and ".bias".</param>
    public static LayerNorm Add(ParameterSet parameters, string name, int features, float epsilon) => new(
        parameters.AddVector((name + ".weight", features)), parameters.AddVector((name + ".bias", features)), epsilon);

    /// <param name="x">[rows, features]</param>
    /// <returns>[rows, features]</returns>
    public Variable Forward(Tape tape, Variable x) => tape.LayerNorm(x, Vector.Of(Gamma), Vector.Of(Beta), Epsilon);
}
