using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>Recurrent networks: of each step a product, then all the rest of a row in one pass.</summary>
public sealed unsafe partial class CpuBackend
{
    public override void Lstm(
        Tensor gates, PackedWeight recurrent, IndexBuffer steps, Tensor hidden, Tensor cell, Tensor cells,
        Tensor output)
    {
        Shapes.Lstm(gates, recurrent, steps, hidden, cell, cells, output);
        var packed = (CpuPackedWeight)recurrent;
        var offsets = steps.Values;
        var (before, cellBefore) = (Rows(hidden), Rows(cell));
        for (var step = 0; step < offsets.Length - 1; step++)
        {
            var (first, count) = (offsets[step], offsets[step + 1] - offsets[step]);
            if (!before.IsNone)
                AddProduct(before, output.Columns, packed.Panels, packed.Format, gates.Slice(first, count));
            RunStep(new()
            {
                Kernels = _kernels,
                Gates = Rows(gates.Slice(first, count)),
                Before = cellBefore,
                Cells = Rows(cells.Slice(first, count)),
                Output = Rows(output.Slice(first, count)),
                RowCount = count,
                Hidden = output.Columns
            });
            (before, cellBefore) = (Rows(output.Slice(first, count)), Rows(cells.Slice(first, count)));
        }
    }

    public override void LstmGradient(
        Tensor gates, Tensor recurrent, IndexBuffer steps, Tensor cell, Tensor cells, Tensor outputGradient,
        Tensor gatesGradient, Tensor hiddenGradient, Tensor cellGradient)
    {
        Shapes.LstmGradient(
            gates, recurrent, steps, cell, cells, outputGradient, gatesGradient, hiddenGradient, cellGradient);
        var size = cells.Columns;
        Fill(hiddenGradient, 0f);
        Fill(cellGradient, 0f);
        lock (_scratchGate)
        {
            var panels = Scratch((long)Panels.Count(size) * Panels.Width * recurrent.Rows);
            Pack(recurrent, isTransposed: false, recurrent.Rows, size, selection: default, panels);
            var offsets = steps.Values;
            for (var step = offsets.Length - 2; step >= 0; step--)
            {
                var (first, count) = (offsets[step], offsets[step + 1] - offsets[step]);
                RunStep(new()
                {
                    Kernels = _kernels,
                    Gates = Rows(gates.Slice(first, count)),
                    Before = step == 0 ? Rows(cell) : Rows(cells.Slice(offsets[step - 1], count)),
                    Cells = Rows(cells.Slice(first, count)),
                    OutputGradient = Rows(outputGradient.Slice(first, count)),
                    HiddenGradient = Rows(hiddenGradient),
                    CellGradient = Rows(cellGradient),
                    GatesGradient = Rows(gatesGradient.Slice(first, count)),
                    RowCount = count,
                    Hidden = size
                });
                var carried = hiddenGradient.Slice(0, count);
                Fill(carried, 0f);
                AddProduct(
                    Rows(gatesGradient.Slice(first, count)), recurrent.Rows, panels, WeightFormat.Float32, carried);
            }
        }
    }

    /// <summary>output = output + x weightᵀ.</summary>
    private void AddProduct(MatrixRows x, int terms, void* panels, WeightFormat format, Tensor output)
    {
        var all = new MaskedRows(0, output.Rows, bits: null);
        Linear(new LinearArguments
        {
            X = x[0],
            XStride = (nint)(x[1] - x[0]),
            Panels = panels,
            Format = format,
            InFeatures = terms,
            OutFeatures = output.Columns,
            Output = Pointer(output),
            OutputStride = output.Stride,
            Segments = &all,
            SegmentCount = 1,
            Accumulate = true
        });
    }

    private void RunStep(LstmJob job)
    {
        job.RowsPerItem = Math.Max(1, FloatsPerRowsItem / (4 * job.Hidden));
        _threads.Run(ref job, (job.RowCount + job.RowsPerItem - 1) / job.RowsPerItem);
    }

    /// <summary>A step behind its product, or backward before it, cut into groups of rows.</summary>
    private struct LstmJob : IParallelJob
    {
        public CpuKernels Kernels;
        public MatrixRows Gates;
        public MatrixRows Before;
        public MatrixRows Cells;
        public MatrixRows Output;

        /// <summary>This and what follows: backward alone.</summary>
        public MatrixRows OutputGradient;
        public MatrixRows HiddenGradient;
        public MatrixRows CellGradient;
        public MatrixRows GatesGradient;
        public int RowCount;
        public int RowsPerItem;
        public int Hidden;

        public readonly void Execute(int item, int worker)
        {
            var end = Math.Min((item + 1) * RowsPerItem, RowCount);
            for (var row = item * RowsPerItem; row < end; row++)
            {
                var arguments = new LstmArguments
                {
                    Gates = Gates[row],
                    Before = Before[row],
                    Cell = Cells[row],
                    Output = Output[row],
                    OutputGradient = OutputGradient[row],
                    HiddenGradient = HiddenGradient[row],
                    CellGradient = CellGradient[row],
                    GatesGradient = GatesGradient[row],
                    Hidden = Hidden
                };
                if (GatesGradient.IsNone)
                    Kernels.Lstm(arguments);
                else
                    Kernels.LstmGradient(arguments);
            }
        }
    }
}
