using System.Runtime.CompilerServices;

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

    /// <summary>The first weights of a slice, or its first block if they are in blocks.</summary>
    public readonly byte* Weights(Slice slice) =>
        (byte*)Panels + (slice.Panel * PanelBytes(InFeatures)) + PanelBytes(slice.K);

    /// <summary>Bytes of some terms of a panel.</summary>
    public readonly nint PanelBytes(int terms) => Kernels.Panels.Bytes(terms, Format);
}

/// <summary>The loops around <see cref="GemmTile{TSimd,TVec}"/>.</summary>
internal static unsafe class LinearKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Columns of a tile: two vectors.</summary>
    private static int TileColumns => 2 * TSimd.Count;

    /// <summary>Computes a block of the output: some rows by some panels.</summary>
    [SkipLocalsInit]
    public static void Run(in LinearArguments job, int firstRow, int endRow, int firstPanel, int endPanel)
    {
        var block = new RowBlock(job, firstRow, endRow);
        var wholePanels = Math.Min(endPanel, job.OutFeatures / Panels.Width);
        var room = stackalloc byte[(LinearBlocking.CachedFloats * sizeof(float)) + Cache.LineBytes];
        var ready = (float*)Cache.AlignUp(room);
        var blockTerms = BlockTerms(job, block);
        for (var k = 0; k < job.InFeatures; k += blockTerms)
        {
            var terms = Math.Min(blockTerms, job.InFeatures - k);
            for (var panel = firstPanel; panel < wholePanels; panel++)
            {
                var next =
                    panel + 1 < wholePanels ? new Slice(panel + 1, k, terms) : new Slice(firstPanel, k + terms, terms);
                RunSlice(job, block, new(panel, k, terms), next, ready);
            }
        }

        if (wholePanels < endPanel)
            RunNarrowPanel(job, block, wholePanels);
    }

    /// <summary>Whether a block is one tile, which reads weights once, from the first to the last.</summary>
    private static bool ReadsOnce(in LinearArguments job, RowBlock block) =>
        TileColumns == Panels.Width
        && block.EndRow - block.FirstRow <= TSimd.MaxRows
        && block.EndSegment - block.FirstSegment == 1
        && job.Segments[block.FirstSegment].Bits == null;

    /// <summary>
    /// All where weights are read once; else twice as many as fit into the cache beside a copy of them, where none is
    /// made.
    /// </summary>
    private static int BlockTerms(in LinearArguments job, RowBlock block)
    {
        if (ReadsOnce(job, block))
            return job.InFeatures;
        var cached = LinearBlocking.CachedFloats / TileColumns;
        for (var s = block.FirstSegment; s < block.EndSegment; s++)
        {
            if (!new SliceColumns(job, default, job.Segments[s].Bits, column: 0).AreReady(TileColumns))
                return cached;
        }

        return 2 * cached;
    }

    private static void RunSlice(in LinearArguments job, RowBlock block, Slice slice, Slice next, float* ready)
    {
        for (var s = block.FirstSegment; s < block.EndSegment; s++)
        {
            PrefetchNextMask(job, block, s, slice, next);
            var segment = job.Segments[s];
            var first = Math.Max(segment.FirstRow, block.FirstRow);
            var end = Math.Min(segment.EndRow, block.EndRow);
            for (var column = 0; column < Panels.Width; column += TileColumns)
            {
                var weights = new SliceColumns(job, slice, segment.Bits, column);
                var isCopied = end - first > TSimd.MaxRows && !weights.AreReady(TileColumns);
                if (isCopied)
                {
                    var copy = new WeightCopy<TSimd, TVec>(ready, slice.Terms);
                    weights.Supply<TSimd, TVec, WeightCopy<TSimd, TVec>>(ref copy);
                }

                for (var row = first; row < end;)
                {
                    var rows = TileRows(end - row);
                    var output = job.Output + (row * job.OutputStride) + (slice.Panel * Panels.Width) + column;
                    var ahead = FetchAhead(job, block, row, rows, column, slice, next);
                    var product = new TileProduct<TSimd, TVec>(
                        job, row, rows, slice, output, job.OutputStride, ahead);
                    if (isCopied)
                        product.Use(new FloatSource<TSimd, TVec>(ready, TileColumns));
                    else
                        weights.Supply<TSimd, TVec, TileProduct<TSimd, TVec>>(ref product);
                    if (slice.K + slice.Terms == job.InFeatures)
                    {
                        FinishTile(
                            job, row, rows, (slice.Panel * Panels.Width) + column, TileColumns, output,
                            job.OutputStride);
                    }

                    row += rows;
                }
            }
        }
    }

    /// <summary>The last panel if it has fewer than 32 features, through a temporary tile.</summary>
    private static void RunNarrowPanel(in LinearArguments job, RowBlock block, int panel)
    {
        var tile = stackalloc float[TSimd.MaxRows * Panels.Width];
        var column = panel * Panels.Width;
        var columns = job.OutFeatures - column;
        var slice = new Slice(panel, 0, job.InFeatures);
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
                for (var at = 0; at < Panels.Width; at += TileColumns)
                {
                    var product = new TileProduct<TSimd, TVec>(
                        job, row, rows, slice, tile + at, Panels.Width, default);
                    new SliceColumns(job, slice, segment.Bits, at)
                        .Supply<TSimd, TVec, TileProduct<TSimd, TVec>>(ref product);
                }

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

    /// <summary>Each tile fetches its share of the next slice.</summary>
    /// <returns>What the tile must fetch while it is computed; nothing if it is on its way already.</returns>
    private static Ahead FetchAhead(
        in LinearArguments job, RowBlock block, int row, int rows, int column, Slice slice, Slice next)
    {
        if (ReadsOnce(job, block)) // Panels lie one after another. What is behind the last is not read, but no error.
            return new(job.Weights(slice) + LinearBlocking.AheadBytes, job.PanelBytes(slice.Terms) / slice.Terms);
        if (next.K >= job.InFeatures)
            return default;
        var bytes = (long)job.PanelBytes(next.Terms);
        var blockRows = block.EndRow - block.FirstRow;
        var tileRows = (long)blockRows * (Panels.Width / TileColumns);
        var before = ((long)column / TileColumns * blockRows) + row - block.FirstRow;
        var share = job.Weights(next) + (nint)(bytes * before / tileRows);
        if (blockRows <= LinearBlocking.MaxRowsToPrefetch)
            return new(share, (nint)(((bytes * rows / tileRows) + next.Terms - 1) / next.Terms));
        if (Panels.Count(job.OutFeatures) * job.PanelBytes(job.InFeatures) > LinearBlocking.NearBytes)
            Cache.PrefetchFar(share, (int)(bytes * rows / tileRows));
        return default;
    }

    /// <summary>Prefetches the next segment's mask words: they are few, but hard to predict.</summary>
    private static void PrefetchNextMask(in LinearArguments job, RowBlock block, int segment, Slice slice, Slice next)
    {
        var isLast = segment + 1 == block.EndSegment;
        var bits = job.Segments[isLast ? block.FirstSegment : segment + 1].Bits;
        var target = isLast ? next : slice;
        if (bits != null && target.K < job.InFeatures)
            Cache.Prefetch(bits + ((nint)target.Panel * job.InFeatures) + target.K, target.Terms * sizeof(uint));
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
    /// <summary>
    /// Weights of a tile's columns that run at a time: 16 KiB, half of a small first-level cache, where all tiles of a
    /// block find them. Terms of a sum that run at a time are as many as that holds: 128 of AVX-512, 256 of AVX2; twice
    /// as many where weights are read from where they lie.
    /// </summary>
    public const int CachedFloats = 4096;

    /// <summary>
    /// Up to this many rows, memory limits a product, so the next weights are prefetched with every term.
    /// </summary>
    public const int MaxRowsToPrefetch = 64;

    /// <summary>How far ahead weights are fetched that are read once, one after another.</summary>
    public const int AheadBytes = 4096;

    /// <summary>Weights of up to this many bytes stay in the second-level cache by themselves.</summary>
    public const int NearBytes = 1 << 20;

    /// <summary>Rows of a block, ten of AVX-512's tiles: their x and output stay in the second-level cache.</summary>
    public const int Rows = 140;
}
