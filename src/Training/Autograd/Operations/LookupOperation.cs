using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Embeddings of tokens that have neither positions nor types.</summary>
public static class LookupOperation
{
    /// <param name="table">[vocab, features]</param>
    /// <param name="ids">Rows of it.</param>
    /// <returns>[ids, features]</returns>
    public static Variable Lookup(this Tape tape, Weight table, IndexBuffer ids) => tape.Run(new Operation(table, ids));

    private sealed class Operation(Weight table, IndexBuffer ids) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var output = tape.NewVariable(ids.Values.Length, table.Value.Columns, table.NeedsGradient);
            tape.Backend.GatherRows(table.Value, ids, output.Value);
            return output;
        }

        public void Backward(Tape tape, Variable output) =>
            tape.Backend.ScatterAddRows(output.Gradient, ids, table.Gradient);
    }
}
