namespace Serving.Tensors;

/// <summary>Those of recurrent networks.</summary>
public static partial class Shapes
{
    private const int LstmGates = 4;

    /// <returns>How many sequences the first step has; 0 if there is no step.</returns>
    public static int Lstm(
        Tensor gates, PackedWeight recurrent, IndexBuffer steps, Tensor hidden, Tensor cell, Tensor cells,
        Tensor output)
    {
        var sequences = Lstm(gates, (recurrent.OutFeatures, recurrent.InFeatures), steps, cells, output);
        if (hidden.IsNone != cell.IsNone)
            throw new ShapeException("Lstm: of hidden state and cell state one is missing; both or none are needed.");
        State(hidden, sequences, output.Columns);
        State(cell, sequences, output.Columns);
        return sequences;
    }

    /// <returns>How many sequences the first step has; 0 if there is no step.</returns>
    public static int LstmGradient(
        Tensor gates, Tensor recurrent, IndexBuffer steps, Tensor cell, Tensor cells, Tensor outputGradient,
        Tensor gatesGradient, Tensor hiddenGradient, Tensor cellGradient)
    {
        var sequences = Lstm(gates, (recurrent.Rows, recurrent.Columns), steps, cells, outputGradient);
        Alike(nameof(LstmGradient), gatesGradient, gates);
        State(cell, sequences, cells.Columns);
        foreach (var gradient in (Tensor[])[hiddenGradient, cellGradient])
        {
            if (gradient.IsNone)
                throw new ShapeException("LstmGradient: the gradient of a state is missing; both are needed.");
            State(gradient, sequences, cells.Columns);
        }

        return sequences;
    }

    private static int Lstm(
        Tensor gates, (int Rows, int Columns) recurrent, IndexBuffer steps, Tensor cells, Tensor output)
    {
        var hidden = output.Columns;
        if (gates.Columns != LstmGates * hidden || recurrent != (LstmGates * hidden, hidden))
        {
            throw new ShapeException(
                $"Lstm: the gates are {gates}, the recurrent weight [{recurrent.Rows}, {recurrent.Columns}]; for "
                + $"{output}, [{output.Rows}, {LstmGates * hidden}] and [{LstmGates * hidden}, {hidden}] are needed.");
        }

        Alike(nameof(Lstm), cells, output);
        if (output.Rows != gates.Rows)
            throw new ShapeException($"Lstm: the gates are {gates}, the output {output}; as many rows are needed.");
        return Steps(steps.Values, gates.Rows);
    }

    private static int Steps(ReadOnlySpan<int> offsets, int rows)
    {
        if (offsets.Length == 0 || offsets[0] != 0 || offsets[^1] != rows)
            throw new ShapeException($"Lstm: offsets of steps must go from 0 to the {rows} rows.");
        var before = int.MaxValue;
        for (var step = 1; step < offsets.Length; step++)
        {
            var sequences = offsets[step] - offsets[step - 1];
            if (sequences < 1 || sequences > before)
            {
                throw new ShapeException(
                    $"Lstm: step {step - 1} has {sequences} sequences; at least 1, and no more than the one before, "
                    + "are needed.");
            }

            before = sequences;
        }

        return offsets.Length > 1 ? offsets[1] : 0;
    }

    private static void State(Tensor state, int sequences, int hidden)
    {
        if (!state.IsNone && (state.Rows != sequences || state.Columns != hidden))
            throw new ShapeException($"Lstm: a state is {state}; [{sequences}, {hidden}] is needed.");
    }
}
