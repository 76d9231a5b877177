using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>Gates that are 1: what they multiply passes as it is, and their gradients are seen.</summary>
public static class GateOperation
{
    /// <summary>
    /// A gate for each sequence and each feature: the gradient of its gate is Σ x ⊙ dL/dx over the sequence's rows
    /// (Michel et al. 2019, eq. 2).
    /// </summary>
    /// <param name="x">[rows, features]; nothing else may use it.</param>
    /// <param name="spans">Where the rows of each sequence begin and, next to it, end.</param>
    /// <param name="seen">Gets the gradients, [sequences, features], in the backward pass.</param>
    /// <returns>The same values.</returns>
    public static Variable Gate(this Tape tape, Variable x, IndexBuffer spans, Action<float[]> seen) =>
        tape.Run(new Operation(x, spans, seen));

    private sealed class Operation(Variable x, IndexBuffer spans, Action<float[]> seen) : IOperation
    {
        public Variable Forward(Tape tape) => new(x.Value, needsGradient: true);

        public void Backward(Tape tape, Variable output)
        {
            var (rows, features) = (x.Value.Rows, x.Value.Columns);
            var product = tape.Rent(rows, features);
            tape.Backend.Fill(product, 0f);
            tape.Backend.Apply(Elementwise.AddProduct, x.Value, output.Gradient, product);
            var sequences = spans.Values.Length / 2;
            var means = tape.Rent(sequences, features);
            tape.Backend.MeanRows(product, spans, means);
            var gradients = means.ToArray();
            for (var i = 0; i < gradients.Length; i++)
            {
                var sequence = i / features;
                gradients[i] *= spans.Values[(2 * sequence) + 1] - spans.Values[2 * sequence];
            }

            seen(gradients);

            // As it is: nobody reads the output's gradient after this, so both may share memory.
            if (x.NeedsGradient)
                tape.Contribute(x, output.Gradient);
        }
    }
}
