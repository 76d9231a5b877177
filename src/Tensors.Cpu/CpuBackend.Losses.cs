using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>Losses, and other results that are one number.</summary>
public sealed unsafe partial class CpuBackend
{
    public override void SoftmaxCrossEntropy(
        Tensor logits, IndexBuffer labels, float scale, Tensor gradient, Scalar loss)
    {
        Shapes.SoftmaxCrossEntropy(logits, labels, gradient);
        var losses = new double[logits.Rows];
        fixed (double* lossesPointer = losses)
        {
            Run(new RowsJob
            {
                Kind = RowsKind.SoftmaxCrossEntropy,
                A = Rows(logits),
                Output = Rows(gradient),
                Labels = Pointer(labels),
                Sums = lossesPointer,
                Scale = scale
            }, logits.Rows, logits.Columns);
        }

        CpuScalarBuffer.Add(loss, losses.Sum());
    }

    public override void CountCorrect(Tensor logits, IndexBuffer labels, Scalar count)
    {
        Shapes.Labels(nameof(CountCorrect), logits, labels);
        var all = labels.Values;
        var correct = 0;
        for (var row = 0; row < all.Length; row++)
        {
            var ofRow = Rows(logits)[row];
            var largest = 0;
            for (var column = 1; column < logits.Columns; column++)
            {
                if (ofRow[column] > ofRow[largest])
                    largest = column;
            }

            correct += largest == all[row] ? 1 : 0;
        }

        CpuScalarBuffer.Add(count, correct);
    }

    public override void SquaredError(
        Tensor predictions, Tensor targets, float scale, Tensor gradient, Scalar loss)
    {
        Shapes.SquaredError(predictions, targets, gradient);
        var sum = 0.0;
        for (var row = 0; row < predictions.Rows; row++)
        {
            for (var column = 0; column < predictions.Columns; column++)
            {
                var error = Rows(predictions)[row][column] - Rows(targets)[row][column];
                sum += (double)error * error;
                Rows(gradient)[row][column] = 2 * scale * error;
            }
        }

        CpuScalarBuffer.Add(loss, sum);
    }

    public override void CosineCrossEntropy(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar correct)
    {
        Shapes.Pairs(nameof(CosineCrossEntropy), x, left, right, gradient);
        Fill(gradient, 0f);
        var (sum, found) = Cosines(x, gradient).CrossEntropy(left.Values, right.Values, scale);
        CpuScalarBuffer.Add(loss, sum);
        CpuScalarBuffer.Add(correct, found);
    }

    public override void CosineDistance(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar cosines)
    {
        Shapes.Pairs(nameof(CosineDistance), x, left, right, gradient);
        Fill(gradient, 0f);
        var (sum, ofCosines) = Cosines(x, gradient).Distance(left.Values, right.Values, scale);
        CpuScalarBuffer.Add(loss, sum);
        CpuScalarBuffer.Add(cosines, ofCosines);
    }

    public override void SumOfSquares(Tensor x, Scalar sum)
    {
        var sums = new double[x.Rows];
        fixed (double* sumsPointer = sums)
            Run(new RowsJob { Kind = RowsKind.SumOfSquares, A = Rows(x), Sums = sumsPointer }, x.Rows, x.Columns);
        CpuScalarBuffer.Add(sum, sums.Sum());
    }

    public override void ReadBits(Tensor x, float threshold, Span<byte> bits)
    {
        Shapes.Bits(x, bits.Length);
        bits.Clear();
        for (var row = 0; row < x.Rows; row++)
        {
            var ofRow = Rows(x)[row];
            var first = (long)row * x.Columns;
            for (var column = 0; column < x.Columns; column++)
            {
                if (ofRow[column] > threshold)
                    bits[(int)((first + column) / 8)] |= (byte)(1 << (int)((first + column) % 8));
            }
        }
    }

    private static CosineKernel Cosines(Tensor x, Tensor gradient) => new()
    {
        X = Pointer(x),
        Stride = x.Stride,
        Columns = x.Columns,
        Gradient = Pointer(gradient),
        GradientStride = gradient.Stride
    };
}
