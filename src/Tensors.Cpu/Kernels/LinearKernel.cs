namespace Serving.Tensors.Cpu.Kernels;

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

    /// <summary>Whether the product is added to what the output holds.</summary>
    public bool Accumulate;
}

/// <summary>The loops around <see cref="GemmTile{TSimd,TVec}"/>.</summary>
internal static unsafe class LinearKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Computes a block of the output: some rows by some panels.</summary>
    public static void Run(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        var block = new RowBlock(job, firstRow, endRow);
        var wholePanels = Math.Min(endPanel, job.OutFeatures / Panels.Width);
        for (var k = 0; k < job.InFeatures; k += LinearBlocking.KBlock)
        {
            var terms = Math.Min(LinearBlocking.KBlock, job.InFeatures - k);
            for (var panel = firstPanel; panel < wholePanels; panel++)
            {
                var next =
                    panel + 1 < wholePanels ? new Slice(panel + 1, k, terms) : new Slice(firstPanel, k + terms, terms);
                RunSlice(job, block, new(panel, k, terms), next);
            }
        }

        if (wholePanels < endPanel)
            RunNarrowPanel(job, block, wholePanels);
    }

    private static void RunSlice(in LinearArguments job, RowBlock block, Slice slice, Slice next)
    {
        var isLast = slice.K + slice.Terms == job.InFeatures;
        var column = slice.Panel * Panels.Width;
        var isFetchedAhead = next.K < job.InFeatures
            && block.EndRow - block.FirstRow <= LinearBlocking.MaxRowsToPrefetch;
        var nextWeights = isFetchedAhead ? (byte*)job.Panels + Offset(job, next) : null;
        var nextBytesPerTerm = (double)Panels.Width * ElementBytes(job.Format) / (block.EndRow - block.FirstRow);
        for (var s = block.FirstSegment; s < block.EndSegment; s++)
        {
            var segment = job.Segments[s];
            var end = Math.Min(segment.EndRow, block.EndRow);
            PrefetchNextMask(job, block, s, slice, next);
            for (var row = Math.Max(segment.FirstRow, block.FirstRow); row < end;)
            {
                var rows = TileRows(end - row);
                var output = job.Output + (row * job.OutputStride) + column;

                // Each tile fetches its share of the next slice.
                var ahead = isFetchedAhead
                    ? new Ahead(
                        nextWeights + (nint)(nextBytesPerTerm * slice.Terms * (row - block.FirstRow)),
                        (nint)Math.Ceiling(nextBytesPerTerm * rows))
                    : default;
                RunTile(job, row, rows, slice, segment.Bits, output, job.OutputStride, ahead);
                if (isLast)
                    FinishTile(job, row, rows, column, Panels.Width, output, job.OutputStride);
                row += rows;
            }
        }
    }

    /// <summary>The last panel if it has fewer than 32 features, through a temporary tile.</summary>
    private static void RunNarrowPanel(in LinearArguments job, RowBlock block, int panel)
    {
        var tile = stackalloc float[TSimd.MaxRows * Panels.Width];
        var column = panel * Panels.Width;
        var columns = job.OutFeatures - column;
        for (var s = block.FirstSegment; s < block.EndSegment; s++)
        {
            var segment = job.Segments[s];
            var end = Math.Min(segment.EndRow, block.EndRow);
            for (var row = Math.Max(segment.FirstRow, block.FirstRow); row < end;)
            {
                var rows = TileRows(end - row);
                var output = job.Output + (row * job.OutputStride) + column;
                if (job.Accumulate)
                    HeadProducts<TSimd, TVec>.CopyRows(output, job.OutputStride, tile, Panels.Width, rows, columns);
                RunTile(job, row, rows, new(panel, 0, job.InFeatures), segment.Bits, tile, Panels.Width, default);
                FinishTile(job, row, rows, column, columns, tile, Panels.Width);
                HeadProducts<TSimd, TVec>.CopyRows(tile, Panels.Width, output, job.OutputStride, rows, columns);

                row += rows;
            }
        }
    }

    /// <summary>Rows of the next tile, chosen so that the tiles of a segment are about equally high.</summary>
    private static int TileRows(int rows)
    {
        var tiles = (rows + TSimd.MaxRows - 1) / TSimd.MaxRows;
        return (rows + tiles - 1) / tiles;
    }

    private static int ElementBytes(WeightFormat format) =>
        format == WeightFormat.Float32 ? sizeof(float) : sizeof(ushort);

    /// <summary>Bytes from the beginning of the weights to a slice.</summary>
    private static nint Offset(in LinearArguments job, Slice slice) =>
        (((nint)slice.Panel * job.InFeatures) + slice.K) * Panels.Width * ElementBytes(job.Format);

    /// <summary>Prefetches the next segment's mask words: they are few, but hard to predict.</summary>
    private static void PrefetchNextMask(in LinearArguments job, RowBlock block, int segment, Slice slice, Slice next)
    {
        var isLast = segment + 1 == block.EndSegment;
        var bits = job.Segments[isLast ? block.FirstSegment : segment + 1].Bits;
        var target = isLast ? next : slice;
        if (bits != null && target.K < job.InFeatures)
            Cache.Prefetch(bits + ((nint)target.Panel * job.InFeatures) + target.K, target.Terms * sizeof(uint));
    }

    private static void RunTile(
        in LinearArguments job, int row, int rows, Slice slice, uint* bits, float* output, nint stride, Ahead ahead)
    {
        var x = job.X + (row * job.XStride) + slice.K;
        var weights = (byte*)job.Panels + Offset(job, slice);
        var words = bits == null ? null : bits + ((nint)slice.Panel * job.InFeatures) + slice.K;
        for (var column = 0; column < Panels.Width; column += 2 * TSimd.Count)
        {
            if (job.Format == WeightFormat.Float32)
            {
                var w = (float*)weights + column;
                if (words == null)
                    Run(new PanelSource<TSimd, TVec>(w), job, output + column);
                else
                    Run(new MaskedPanelSource<TSimd, TVec>(w, words, column), job, output + column);
            }
            else
            {
                var w = (ushort*)weights + column;
                if (words == null)
                    Run(new BFloat16PanelSource<TSimd, TVec>(w), job, output + column);
                else
                    Run(new MaskedBFloat16PanelSource<TSimd, TVec>(w, words, column), job, output + column);
            }
        }

        void Run<TSource>(TSource source, in LinearArguments job, float* c)
            where TSource : struct, IWeightSource<TVec> =>
            Multiply(rows, x, job.XStride, source, slice.Terms, c, stride, job.Accumulate || slice.K != 0, ahead);
    }

    private static void Multiply<TSource>(
        int rows, float* x, nint stride, TSource source, int terms, float* c, nint cStride, bool accumulate,
        Ahead ahead)
        where TSource : struct, IWeightSource<TVec>
    {
        if (ahead.Address == null)
        {
            GemmTile<TSimd, TVec>.Run(rows, x, stride, source, terms, c, cStride, accumulate);
            return;
        }

        var fetching = new PrefetchingSource<TVec, TSource>(source, ahead.Address, ahead.BytesPerTerm);
        GemmTile<TSimd, TVec>.Run(rows, x, stride, fetching, terms, c, cStride, accumulate);
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

/// <summary>Some rows of a linear layer, and the segments that they are in.</summary>
internal readonly unsafe struct RowBlock
{
    public readonly int FirstRow;
    public readonly int EndRow;
    public readonly int FirstSegment;
    public readonly int EndSegment;

    public RowBlock(in LinearArguments job, int firstRow, int endRow)
    {
        FirstRow = firstRow;
        EndRow = endRow;
        while (job.Segments[FirstSegment].EndRow <= firstRow)
            FirstSegment++;
        EndSegment = FirstSegment + 1;
        while (EndSegment < job.SegmentCount && job.Segments[EndSegment].FirstRow < endRow)
            EndSegment++;
    }
}

/// <summary>Memory to fetch while a tile is computed.</summary>
internal readonly unsafe struct Ahead(byte* address, nint bytesPerTerm)
{
    public readonly byte* Address = address;
    public readonly nint BytesPerTerm = bytesPerTerm;
}

/// <summary>Some terms of a panel.</summary>
internal readonly record struct Slice(int Panel, int K, int Terms);

/// <summary>Sizes of blocks, found by measurement; the results do not depend on them.</summary>
internal static class LinearBlocking
{
    /// <summary>Terms of a sum that run at a time: 96 KiB of a panel, which stays in the second-level cache.</summary>
    public const int KBlock = 768;

    /// <summary>Up to this many rows, memory limits a product, so the next weights are prefetched.</summary>
    public const int MaxRowsToPrefetch = 64;

    /// <summary>Rows of a block, ten of the highest tiles: 420 KiB of x at a time, which stay there too.</summary>
    public const int Rows = 140;
}
