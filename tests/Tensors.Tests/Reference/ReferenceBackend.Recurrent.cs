namespace Serving.Tensors.Tests.Reference;

internal sealed partial class ReferenceBackend
{
    public override void Lstm(
        Tensor gates, PackedWeight recurrent, IndexBuffer steps, Tensor hidden, Tensor cell, Tensor cells,
        Tensor output)
    {
        Shapes.Lstm(gates, recurrent, steps, hidden, cell, cells, output);
        var weight = (ReferencePackedWeight)recurrent;
        var size = output.Columns;
        foreach (var (row, before, state) in Rows(steps, hidden, output))
        {
            var sums = new double[4 * size];
            for (var i = 0; i < sums.Length; i++)
            {
                sums[i] = At(gates, row, i)
                    + (state.IsNone ? 0 : Sum(size, j => (double)weight[i, j] * At(state, before, j)));
            }

            var cellBefore = row < steps.Values[1] ? cell : cells;
            for (var j = 0; j < size; j++)
            {
                var (i, f, g, o) = (
                    Sigmoid(sums[j]), Sigmoid(sums[size + j]), Math.Tanh(sums[(2 * size) + j]),
                    Sigmoid(sums[(3 * size) + j]));
                var c = (f * (cellBefore.IsNone ? 0 : At(cellBefore, before, j))) + (i * g);
                (At(gates, row, j), At(gates, row, size + j)) = ((float)i, (float)f);
                (At(gates, row, (2 * size) + j), At(gates, row, (3 * size) + j)) = ((float)g, (float)o);
                At(cells, row, j) = (float)c;
                At(output, row, j) = (float)(o * Math.Tanh(c));
            }
        }
    }

    public override void LstmGradient(
        Tensor gates, Tensor recurrent, IndexBuffer steps, Tensor cell, Tensor cells, Tensor outputGradient,
        Tensor gatesGradient, Tensor hiddenGradient, Tensor cellGradient)
    {
        Shapes.LstmGradient(
            gates, recurrent, steps, cell, cells, outputGradient, gatesGradient, hiddenGradient, cellGradient);
        var size = cells.Columns;
        var (ofHidden, ofCell) = (new double[hiddenGradient.Rows, size], new double[hiddenGradient.Rows, size]);
        foreach (var (row, before, cellBefore) in Rows(steps, cell, cells).AsEnumerable().Reverse())
        {
            var sequence = row - steps.Values.ToArray().Last(offset => offset <= row);
            var slopes = new double[4 * size];
            for (var j = 0; j < size; j++)
            {
                double i = At(gates, row, j), f = At(gates, row, size + j);
                double g = At(gates, row, (2 * size) + j), o = At(gates, row, (3 * size) + j);
                var tanh = Math.Tanh(At(cells, row, j));
                var dh = At(outputGradient, row, j) + ofHidden[sequence, j];
                var dc = ofCell[sequence, j] + (dh * o * (1 - (tanh * tanh)));
                ofCell[sequence, j] = dc * f;
                slopes[j] = dc * g * i * (1 - i);
                slopes[size + j] = dc * (cellBefore.IsNone ? 0 : At(cellBefore, before, j)) * f * (1 - f);
                slopes[(2 * size) + j] = dc * i * (1 - (g * g));
                slopes[(3 * size) + j] = dh * tanh * o * (1 - o);
            }

            for (var j = 0; j < size; j++)
                ofHidden[sequence, j] = Sum(4 * size, k => slopes[k] * At(recurrent, k, j));
            for (var k = 0; k < slopes.Length; k++)
                At(gatesGradient, row, k) = (float)slopes[k];
        }

        Set(hiddenGradient, (row, column) => ofHidden[row, column]);
        Set(cellGradient, (row, column) => ofCell[row, column]);
    }

    /// <summary>All rows in their order, each with where its sequence was a step before.</summary>
    /// <param name="first">What stands before the first step.</param>
    /// <param name="later">What comes of each step.</param>
    private static List<(int Row, int Before, Tensor Of)> Rows(IndexBuffer steps, Tensor first, Tensor later)
    {
        var rows = new List<(int, int, Tensor)>();
        for (var step = 0; step < steps.Values.Length - 1; step++)
        {
            var begin = steps.Values[step];
            for (var row = begin; row < steps.Values[step + 1]; row++)
                rows.Add(step == 0 ? (row, row, first) : (row, steps.Values[step - 1] + row - begin, later));
        }

        return rows;
    }

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
