using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>What training needs beyond the forward pass.</summary>
public sealed unsafe partial class CpuBackend
{
    // Sums over rows are made of sums over this many rows, whatever the number of threads.
    private const int RowsPerSum = 128;

    public override void Apply(Elementwise function, Tensor a, Tensor b, Tensor output)
    {
        Shapes.Apply(function, a, b, output);
        Run(new RowsJob
        {
            Kind = RowsKind.Apply,
            Function = function,
            A = Rows(a),
            B = Rows(b),
            Output = Rows(output)
        }, output.Rows, output.Columns);
    }

    public override void DropoutAdd(Tensor x, Dropout dropout, Tensor residual, Tensor output)
    {
        Shapes.DropoutAdd(x, dropout, residual, output);
        Run(new RowsJob
        {
            Kind = RowsKind.DropoutAdd,
            Dropout = dropout,
            A = Rows(x),
            B = Rows(residual),
            Output = Rows(output)
        }, output.Rows, output.Columns);
    }

    public override void LayerNormGradient(
        Tensor x, Tensor gamma, float epsilon, Tensor outputGradient, Tensor gammaGradient, Tensor betaGradient,
        Tensor xGradient)
    {
        Shapes.LayerNormGradient(x, gamma, outputGradient, gammaGradient, betaGradient, xGradient);
        lock (_scratchGate)
        {
            var columns = OddCacheLines(x.Columns);
            var sums = (x.Rows + RowsPerSum - 1) / RowsPerSum;
            var needsSums = !gammaGradient.IsNone || !betaGradient.IsNone;
            var partial = needsSums ? Scratch(2L * sums * columns) : null;
            var job = new LayerNormGradientJob
            {
                Kernels = _kernels,
                X = Rows(x),
                Gamma = Pointer(gamma),
                Epsilon = epsilon,
                OutputGradient = Rows(outputGradient),
                XGradient = Rows(xGradient),
                Partial = partial,
                PartialStride = columns,
                RowCount = x.Rows,
                Columns = x.Columns,
                RowsPerItem = RowsPerSum
            };
            _threads.Run(ref job, sums);
            for (var i = 0; i < sums && needsSums; i++)
            {
                if (!gammaGradient.IsNone)
                    _kernels.AddTo(partial + (2 * i * columns), Pointer(gammaGradient), x.Columns);
                if (!betaGradient.IsNone)
                    _kernels.AddTo(partial + (((2 * i) + 1) * columns), Pointer(betaGradient), x.Columns);
            }
        }
    }

    public override void AddRows(Tensor x, Tensor output)
    {
        Shapes.AddRows(x, output);
        lock (_scratchGate)
        {
            var columns = OddCacheLines(x.Columns);
            var sums = (x.Rows + RowsPerSum - 1) / RowsPerSum;
            var partial = Scratch((long)sums * columns);
            var job = new AddRowsJob
            {
                Kernels = _kernels,
                X = Rows(x),
                RowCount = x.Rows,
                Columns = x.Columns,
                Partial = partial,
                PartialStride = columns,
                RowsPerItem = RowsPerSum
            };
            _threads.Run(ref job, sums);
            for (var i = 0; i < sums; i++)
                _kernels.AddTo(partial + (i * columns), Pointer(output), x.Columns);
        }
    }

    public override void Adam(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamStep step)
    {
        Shapes.Alike(nameof(Adam), gradient, parameter);
        Shapes.Alike(nameof(Adam), mean, parameter);
        Shapes.Alike(nameof(Adam), variance, parameter);
        Run(new RowsJob
        {
            Kind = RowsKind.Adam,
            A = Rows(gradient),
            B = Rows(mean),
            C = Rows(variance),
            Output = Rows(parameter),
            Step = step
        }, parameter.Rows, parameter.Columns);
    }

    public override void Fill(Tensor x, float value) =>
        Run(new RowsJob { Kind = RowsKind.Fill, Output = Rows(x), Scale = value }, x.Rows, x.Columns);

    private void Run(RowsJob job, int rows, int columns)
    {
        job.Kernels = _kernels;
        job.RowCount = rows;
        job.Columns = columns;
        job.RowsPerItem = Math.Max(1, FloatsPerRowsItem / columns);
        _threads.Run(ref job, (rows + job.RowsPerItem - 1) / job.RowsPerItem);
    }

    private static MatrixRows Rows(Tensor tensor) => tensor.IsNone ? default : new(Pointer(tensor), tensor.Stride);
}
