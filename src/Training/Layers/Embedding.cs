using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Layers;

/// <summary>Sums of the embeddings of tokens, their positions and their types.</summary>
/// <param name="Tokens">[vocab, hidden]</param>
/// <param name="Positions">[positions, hidden]</param>
/// <param name="Types">[types, hidden]</param>
public sealed record Embedding(Parameter Tokens, Parameter Positions, Parameter Types)
{
    /// <returns>[ids, hidden]</returns>
    public Variable Forward(Tape tape, IndexBuffer ids) =>
        tape.Embedding(Weight.Of(Tokens), Weight.Of(Positions), Weight.Of(Types), ids);
}
