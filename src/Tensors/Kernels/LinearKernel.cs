namespace Serving.Tensors.Kernels;

/// <summary>Rows that share a mask; null bits see all weights.</summary>
internal readonly unsafe struct MaskedRows(int firstRow, int endRow, uint* bits)
{
    public readonly int FirstRow = firstRow;
    public readonly int EndRow = endRow;
    public readonly uint* Bits = bits;
}

/// <summary>A linear layer over raw memory; see TensorBackend.Linear for what it computes.</summary>
internal unsafe struct LinearArguments
{
    public float* X;
    public nint XStride;
    public void* Panels;
    public WeightFormat Format;
    public int InFeatures;
    public int OutFeatures;
    public float* Bias;
    public Activation Activation;
    public float* Residual;
    public nint ResidualStride;
    public float* Output;
    public nint OutputStride;
    public MaskedRows* Segments;
    public int SegmentCount;
}

/// <summary>The loops around <see cref="GemmTile{TSimd,TVec}"/>.</summary>
internal static unsafe class LinearKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Computes a block of the output: some rows by some panels.</summary>
    public static void Run(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        var firstSegment = 0;
        while (job.Segments[firstSegment].EndRow <= firstRow)
            firstSegment++;

        var wholePanels = Math.Min(endPanel, job.OutFeatures / Panels.Width);
        for (var k = 0; k < job.InFeatures; k += LinearBlocking.KBlock)
        {
            var terms = Math.Min(LinearBlocking.KBlock, job.InFeatures - k);
            for (var panel = firstPanel; panel < wholePanels; panel++)
                RunPanel(job, firstRow, endRow, firstSegment, panel, k, terms);
        }

        if (wholePanels < endPanel)
            RunNarrowPanel(job, firstRow, endRow, firstSegment, wholePanels);
    }

    private static void RunPanel(
        in LinearArguments job, int firstRow, int endRow, int firstSegment, int panel, int k, int terms)
    {
        var last = k + terms == job.InFeatures;
        var column = panel * Panels.Width;
        for (var s = firstSegment; s < job.SegmentCount && job.Segments[s].FirstRow < endRow; s++)
        {
            var segment = job.Segments[s];
            var end = Math.Min(segment.EndRow, endRow);
            for (var row = Math.Max(segment.FirstRow, firstRow); row < end;)
            {
                var rows = TileRows(end - row);
                var output = job.Output + (row * job.OutputStride) + column;
                RunTile(job, row, rows, panel, segment.Bits, k, terms, output, job.OutputStride);
                if (last)
                    FinishTile(job, row, rows, column, Panels.Width, output, job.OutputStride);
                row += rows;
            }
        }
    }

    /// <summary>The last panel when it has fewer than 32 features: through a tile of its own.</summary>
    private static void RunNarrowPanel(in LinearArguments job, int firstRow, int endRow, int firstSegment, int panel)
    {
        var tile = stackalloc float[TSimd.MaxRows * Panels.Width];
        var column = panel * Panels.Width;
        var columns = job.OutFeatures - column;
        for (var s = firstSegment; s < job.SegmentCount && job.Segments[s].FirstRow < endRow; s++)
        {
            var segment = job.Segments[s];
            var end = Math.Min(segment.EndRow, endRow);
            for (var row = Math.Max(segment.FirstRow, firstRow); row < end;)
            {
                var rows = TileRows(end - row);
                RunTile(job, row, rows, panel, segment.Bits, k: 0, job.InFeatures, tile, Panels.Width);
                FinishTile(job, row, rows, column, columns, tile, Panels.Width);
                for (var r = 0; r < rows; r++)
                {
                    new ReadOnlySpan<float>(tile + (r * Panels.Width), columns)
                        .CopyTo(new Span<float>(job.Output + ((row + r) * job.OutputStride) + column, columns));
                }

                row += rows;
            }
        }
    }

    /// <summary>Rows of the next tile, such that the tiles of a segment are about equally high.</summary>
    private static int TileRows(int rows)
    {
        var tiles = (rows + TSimd.MaxRows - 1) / TSimd.MaxRows;
        return (rows + tiles - 1) / tiles;
    }

    private static void RunTile(
        in LinearArguments job, int row, int rows, int panel, uint* bits, int k, int terms, float* output, nint stride)
    {
        var x = job.X + (row * job.XStride) + k;
        var at = (((nint)panel * job.InFeatures) + k) * Panels.Width;
        var words = bits == null ? null : bits + ((nint)panel * job.InFeatures) + k;
        for (var column = 0; column < Panels.Width; column += 2 * TSimd.Count)
        {
            var c = output + column;
            if (job.Format == WeightFormat.Float32)
            {
                var w = (float*)job.Panels + at + column;
                if (words == null)
                {
                    var source = new PanelSource<TSimd, TVec>(w);
                    GemmTile<TSimd, TVec>.Run(rows, x, job.XStride, source, terms, c, stride, accumulate: k != 0);
                }
                else
                {
                    var source = new MaskedPanelSource<TSimd, TVec>(w, words, column);
                    GemmTile<TSimd, TVec>.Run(rows, x, job.XStride, source, terms, c, stride, accumulate: k != 0);
                }
            }
            else
            {
                var w = (ushort*)job.Panels + at + column;
                if (words == null)
                {
                    var source = new BFloat16PanelSource<TSimd, TVec>(w);
                    GemmTile<TSimd, TVec>.Run(rows, x, job.XStride, source, terms, c, stride, accumulate: k != 0);
                }
                else
                {
                    var source = new MaskedBFloat16PanelSource<TSimd, TVec>(w, words, column);
                    GemmTile<TSimd, TVec>.Run(rows, x, job.XStride, source, terms, c, stride, accumulate: k != 0);
                }
            }
        }
    }

    private static void FinishTile(
        in LinearArguments job, int row, int rows, int column, int columns, float* tile, nint stride)
    {
        if (job.Bias == null && job.Residual == null && job.Activation == Activation.None)
            return;
        var bias = job.Bias == null ? null : job.Bias + column;
        for (var r = 0; r < rows; r++)
        {
            var residual = job.Residual == null ? null : job.Residual + ((row + r) * job.ResidualStride) + column;
            RowKernels<TSimd, TVec>.Finish(tile + (r * stride), bias, job.Activation, residual, columns);
        }
    }
}

/// <summary>Sizes of blocks, found by measurement; the results do not depend on them.</summary>
internal static class LinearBlocking
{
    /// <summary>Terms of a sum that run at a time: 32 KiB of a panel, which stays in the first-level cache.</summary>
    public const int KBlock = 256;

    /// <summary>Rows of an item: 512 KiB of x at a time, which stays in the second-level cache.</summary>
    public const int RowBlock = 512;
}
