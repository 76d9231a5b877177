using Serving.Tensors;

namespace Serving.Training.Autograd.Operations;

/// <summary>The parameters of a layer of long short-term memory, as an operation sees them.</summary>
/// <param name="Input">[4 hidden, features]: input, forget, cell and output gate, one behind the other.</param>
/// <param name="Recurrent">[4 hidden, hidden]; trained if the input's is.</param>
/// <param name="InputBias">[1, 4 hidden]; trained if the input's weight is.</param>
/// <param name="RecurrentBias">The same.</param>
public sealed record LstmWeights(Weight Input, Weight Recurrent, Vector InputBias, Vector RecurrentBias);

/// <summary>Layers of long short-term memory through time, see <see cref="TensorBackend.Lstm"/>.</summary>
public static class LstmOperation
{
    /// <param name="x">[tokens, features], step after step.</param>
    /// <param name="steps">Where each step begins, and the end of the last.</param>
    /// <param name="state">[sequences, hidden]: hidden and cell state before the first step; null for zeros.</param>
    /// <returns>[tokens, hidden]</returns>
    public static Variable Lstm(
        this Tape tape, Variable x, LstmWeights weights, IndexBuffer steps,
        (Variable Hidden, Variable Cell)? state = null) => tape.Run(new Operation(x, weights, steps, state));

    private sealed class Operation(
        Variable x, LstmWeights weights, IndexBuffer steps, (Variable Hidden, Variable Cell)? state) : IOperation
    {
        private readonly Tensor _hidden = state?.Hidden.Value ?? default;
        private readonly Tensor _cell = state?.Cell.Value ?? default;
        private Tensor _gates;
        private Tensor _cells;

        public Variable Forward(Tape tape)
        {
            var (rows, hidden) = (x.Value.Rows, weights.Recurrent.Value.Columns);
            var needsGradient = x.NeedsGradient || weights.Input.NeedsGradient
                || state is { } before && (before.Hidden.NeedsGradient || before.Cell.NeedsGradient);
            var output = tape.NewVariable(rows, hidden, needsGradient);
            _gates = tape.Rent(rows, 4 * hidden);
            _cells = tape.Rent(rows, hidden);
            var bias = tape.Rent(1, 4 * hidden);
            tape.Backend.Apply(Elementwise.Add, weights.InputBias.Value, weights.RecurrentBias.Value, bias);
            tape.Multiply(
                x.Value, weights.Input.Value, Transposed.Right, default, bias, accumulate: false, _gates);
            using var recurrent = tape.Backend.PackWeight([weights.Recurrent.Value]);
            tape.Backend.Lstm(_gates, recurrent, steps, _hidden, _cell, _cells, output.Value);
            tape.Count(RecurrentWork(rows, hidden));
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var (rows, hidden) = (output.Value.Rows, output.Value.Columns);
            var sequences = steps.Values[1];
            var (ofHidden, ofCell) = (tape.Rent(sequences, hidden), tape.Rent(sequences, hidden));
            tape.Backend.LstmGradient(
                _gates, weights.Recurrent.Value, steps, _cell, _cells, output.Gradient, _gates, ofHidden, ofCell);
            tape.Count(RecurrentWork(rows, hidden));
            if (state is { } before)
            {
                if (before.Hidden.NeedsGradient)
                    tape.Contribute(before.Hidden, ofHidden);
                if (before.Cell.NeedsGradient)
                    tape.Contribute(before.Cell, ofCell);
            }

            if (x.NeedsGradient)
            {
                var gradient = tape.GradientOf(x, out var accumulate);
                tape.Multiply(
                    _gates, weights.Input.Value, Transposed.Neither, default, default, accumulate, gradient);
            }

            if (weights.Input.NeedsGradient)
                AddGradients(tape, output.Value, sequences);
        }

        private void AddGradients(Tape tape, Tensor output, int sequences)
        {
            tape.Multiply(
                _gates, x.Value, Transposed.Left, default, default, accumulate: true, weights.Input.Gradient);
            tape.Backend.AddRows(_gates, weights.InputBias.Gradient);
            tape.Backend.AddRows(_gates, weights.RecurrentBias.Gradient);
            if (!_hidden.IsNone)
                AddRecurrent(tape, _gates.Slice(0, sequences), _hidden);
            var rows = output.Rows - sequences;
            if (rows == 0)
                return;
            var before = tape.Rent(rows, output.Columns);
            tape.Backend.GatherRows(output, tape.Indices(RowsBefore()), before);
            AddRecurrent(tape, _gates.Slice(sequences, rows), before);
        }

        private void AddRecurrent(Tape tape, Tensor gates, Tensor before) => tape.Multiply(
            gates, before, Transposed.Left, default, default, accumulate: true, weights.Recurrent.Gradient);

        /// <summary>From the second step on: where each row's sequence was a step before.</summary>
        private int[] RowsBefore()
        {
            var offsets = steps.Values;
            var rows = new int[offsets[^1] - offsets[1]];
            for (var step = 1; step < offsets.Length - 1; step++)
            {
                for (var row = offsets[step]; row < offsets[step + 1]; row++)
                    rows[row - offsets[1]] = offsets[step - 1] + row - offsets[step];
            }

            return rows;
        }

        private static long RecurrentWork(long rows, long hidden) => 2 * rows * 4 * hidden * hidden;
    }
}
