using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>
/// Sums of embeddings, see
/// <see cref="TensorBackend.EmbeddingSum(Tensor, Tensor, Tensor, IndexBuffer, Tensor)"/>.
/// </summary>
public static class EmbeddingOperation
{
    /// <param name="tokens">[vocab, hidden]</param>
    /// <param name="positions">[positions, hidden]; trained if the tokens' are.</param>
    /// <param name="types">[types, hidden]; trained only if the tokens' are.</param>
    /// <param name="ids">See <see cref="Tape.Tokens"/>.</param>
    /// <returns>[ids, hidden]</returns>
    public static Variable Embedding(this Tape tape, Weight tokens, Weight positions, Weight types, IndexBuffer ids) =>
        tape.Run(new Operation(tokens, positions, types, ids));

    private sealed class Operation(Weight tokens, Weight positions, Weight types, IndexBuffer ids) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariable(ids.Tokens.Length, tokens.Value.Columns, tokens.NeedsGradient);
            tape.Backend.EmbeddingSum(tokens.Value, positions.Value, types.Value, ids, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output) => tape.Backend.EmbeddingGradient(
            ids, output.Gradient, tokens.Gradient, positions.Gradient, types.Gradient);
    }
}
