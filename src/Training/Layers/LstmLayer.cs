using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>A layer of long short-term memory.</summary>
/// <param name="Input">[4 hidden, features]</param>
/// <param name="Recurrent">[4 hidden, hidden]</param>
/// <param name="InputBias">[1, 4 hidden]</param>
/// <param name="RecurrentBias">[1, 4 hidden]; added to the other, as PyTorch has it.</param>
public sealed record LstmLayer(Parameter Input, Parameter Recurrent, Parameter InputBias, Parameter RecurrentBias)
{
    /// <param name="names">Of the parameters, in the order of the record's.</param>
    public static LstmLayer Add(
        ParameterSet parameters, int features, int hidden,
        (string Input, string Recurrent, string InputBias, string RecurrentBias) names) => new(
        parameters.AddMatrix(features, (names.Input, 4 * hidden)),
        parameters.AddMatrix(hidden, (names.Recurrent, 4 * hidden)),
        parameters.AddVector((names.InputBias, 4 * hidden)),
        parameters.AddVector((names.RecurrentBias, 4 * hidden)));

    /// <param name="x">[tokens, features], step after step.</param>
    /// <param name="steps">Where each step begins, and the end of the last.</param>
    /// <param name="state">[sequences, hidden]: before the first step; null for zeros.</param>
    /// <returns>[tokens, hidden]</returns>
    public Variable Forward(
        Tape tape, Variable x, IndexBuffer steps, (Variable Hidden, Variable Cell)? state = null) => tape.Lstm(
        x,
        new(Weight.Of(Input), Weight.Of(Recurrent), Vector.Of(InputBias), Vector.Of(RecurrentBias)),
        steps,
        state);
}
