namespace Serving.Tensors.Tests.Reference;

internal sealed partial class ReferenceBackend
{
    private const double CosineEpsilon = 1e-8;

    public override void SoftmaxCrossEntropy(
        Tensor logits, IndexBuffer labels, float scale, Tensor gradient, Scalar loss)
    {
        Shapes.SoftmaxCrossEntropy(logits, labels, gradient);
        double Probability(int row, int column) =>
            1 / Sum(logits.Columns, i => Math.Exp((double)At(logits, row, i) - At(logits, row, column)));
        ReferenceScalarBuffer.Add(loss, Sum(logits.Rows, row =>
        {
            var largest = Enumerable.Range(0, logits.Columns).Max(i => (double)At(logits, row, i));
            return largest + Math.Log(Sum(logits.Columns, i => Math.Exp(At(logits, row, i) - largest)))
                - At(logits, row, labels.Values[row]);
        }));
        Set(gradient, (row, column) =>
            scale * (Probability(row, column) - (labels.Values[row] == column ? 1 : 0)));
    }

    public override void SoftmaxUnlikelihood(
        Tensor logits, IndexBuffer labels, IndexBuffer candidates, IndexBuffer candidateOffsets, float scale,
        float penaltyScale, Tensor gradient, Scalar loss, Scalar penalty)
    {
        Shapes.SoftmaxUnlikelihood(logits, labels, candidates, candidateOffsets, gradient);
        var results = new double[logits.Rows, logits.Columns];
        for (var row = 0; row < logits.Rows; row++)
        {
            var at = row;
            double[] x = [.. Enumerable.Range(0, logits.Columns).Select(i => (double)At(logits, at, i))];
            double[] e = [.. x.Select(value => Math.Exp(value - x.Max()))];
            double Rest(int c) => Math.Max(Sum(e.Length, i => i == c ? 0 : e[i]), 1e-30 * e.Sum());
            var label = labels.Values[row];
            int[] unlikely = candidates.Values[
                candidateOffsets.Values[row]..candidateOffsets.Values[row + 1]].ToArray();
            ReferenceScalarBuffer.Add(loss, Math.Log(e.Sum()) - (x[label] - x.Max()));
            ReferenceScalarBuffer.Add(penalty, unlikely.Sum(c => -Math.Log(Rest(c) / e.Sum())));
            for (var i = 0; i < x.Length; i++)
            {
                // d/dx_i of -ln(1 - p_c): p_c for i = c, -p_i p_c / (1 - p_c) for others.
                var ofPenalty = unlikely.Sum(
                    c => i == c ? e[c] / e.Sum() : -(e[i] / e.Sum()) * (e[c] / Rest(c)));
                results[row, i] = (scale * ((e[i] / e.Sum()) - (i == label ? 1 : 0))) + (penaltyScale * ofPenalty);
            }
        }

        Set(gradient, (row, column) => results[row, column]);
    }

    public override void CountCorrect(Tensor logits, IndexBuffer labels, Scalar count)
    {
        Shapes.Labels(nameof(CountCorrect), logits, labels);
        ReferenceScalarBuffer.Add(count, Sum(logits.Rows, row =>
            Enumerable.Range(0, logits.Columns).MaxBy(i => At(logits, row, i)) == labels.Values[row] ? 1 : 0));
    }

    public override void SquaredError(
        Tensor predictions, Tensor targets, float scale, Tensor gradient, Scalar loss)
    {
        Shapes.SquaredError(predictions, targets, gradient);
        double Error(int row, int column) => (double)At(predictions, row, column) - At(targets, row, column);
        ReferenceScalarBuffer.Add(loss, Sum(
            predictions.Rows, row => Sum(predictions.Columns, column => Math.Pow(Error(row, column), 2))));
        Set(gradient, (row, column) => 2 * scale * Error(row, column));
    }

    public override void CosineCrossEntropy(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar correct)
    {
        Shapes.Pairs(nameof(CosineCrossEntropy), x, left, right, gradient);
        var (lefts, rights) = (left.Values.ToArray(), right.Values.ToArray());
        var sums = new double[x.Rows, x.Columns];
        for (var i = 0; i < lefts.Length; i++)
        {
            double[] cosines = [.. rights.Select(row => Cosine(x, lefts[i], row))];
            var total = cosines.Sum(Math.Exp);
            ReferenceScalarBuffer.Add(loss, Math.Log(total) - cosines[i]);
            ReferenceScalarBuffer.Add(correct, Array.IndexOf(cosines, cosines.Max()) == i ? 1 : 0);
            for (var j = 0; j < rights.Length; j++)
                AddCosineGradient(x, lefts[i], rights[j], (Math.Exp(cosines[j]) / total) - (i == j ? 1 : 0), sums);
        }

        Set(gradient, (row, column) => scale * sums[row, column]);
    }

    public override void CosineDistance(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar cosines)
    {
        Shapes.Pairs(nameof(CosineDistance), x, left, right, gradient);
        var sums = new double[x.Rows, x.Columns];
        for (var i = 0; i < left.Values.Length; i++)
        {
            var cosine = Cosine(x, left.Values[i], right.Values[i]);
            var shifted = Math.Max(1 + cosine, CosineEpsilon);
            ReferenceScalarBuffer.Add(loss, -Math.Log(shifted / 2));
            ReferenceScalarBuffer.Add(cosines, cosine);
            AddCosineGradient(x, left.Values[i], right.Values[i], -1 / shifted, sums);
        }

        Set(gradient, (row, column) => scale * sums[row, column]);
    }

    public override void SumOfSquares(Tensor x, Scalar sum) => ReferenceScalarBuffer.Add(
        sum, Sum(x.Rows, row => Sum(x.Columns, column => Math.Pow(At(x, row, column), 2))));

    public override void ReadBits(Tensor x, float threshold, Span<byte> bits)
    {
        Shapes.Bits(x, bits.Length);
        bits.Clear();
        for (var i = 0; i < x.Rows * x.Columns; i++)
        {
            if (At(x, i / x.Columns, i % x.Columns) > threshold)
                bits[i / 8] |= (byte)(1 << (i % 8));
        }
    }

    private static double Dot(Tensor x, int a, int b) =>
        Sum(x.Columns, i => (double)At(x, a, i) * At(x, b, i));

    private static double Cosine(Tensor x, int a, int b) =>
        Dot(x, a, b) / (Math.Sqrt(Dot(x, a, a) * Dot(x, b, b)) + CosineEpsilon);

    /// <summary>Adds `factor` times the derivative of ab / (|a| |b| + e) by a and by b.</summary>
    private static void AddCosineGradient(Tensor x, int a, int b, double factor, double[,] sums)
    {
        var (dot, ofA, ofB) = (Dot(x, a, b), Math.Sqrt(Dot(x, a, a)), Math.Sqrt(Dot(x, b, b)));
        var denominator = (ofA * ofB) + CosineEpsilon;
        double Slope(int i, int own, int other, double ofOwn, double ofOther) =>
            (At(x, other, i) / denominator)
            - (ofOwn == 0 ? 0 : dot * ofOther / ofOwn * At(x, own, i) / (denominator * denominator));
        for (var i = 0; i < x.Columns; i++)
        {
            sums[a, i] += factor * Slope(i, a, b, ofA, ofB);
            sums[b, i] += factor * Slope(i, b, a, ofB, ofA);
        }
    }
}
