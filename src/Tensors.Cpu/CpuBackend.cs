using System.Diagnostics.CodeAnalysis;
using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>Runs on this machine's processor, with its widest vectors and a fixed number of threads.</summary>
public sealed unsafe partial class CpuBackend : TrainingBackend
{
    private const int FloatsPerCacheLine = 16;
    private const int MaxSegmentsOnStack = 1024;

    // Enough items for threads to finish at about the same time even if some are delayed.
    private const int ItemsPerThread = 4;
    private const int RowsPerItem = 16;
    private const int FloatsPerRowsItem = 16 * 1024;

    private const int MostLanes = 2;

    private readonly BufferPool _pool;
    private readonly ForkJoinPool _threads;
    private readonly CpuKernels _kernels;
    private readonly CpuBackend[] _lanes = [];
    private readonly bool _ownsPool;
    private readonly Lock _scratchGate = new();
    private NativeBuffer? _scratch;

    /// <summary>Starts the threads.</summary>
    /// <param name="threads">At least 1; the caller of an operation is one of them.</param>
    public CpuBackend(int threads)
        : this(threads, CpuKernels.Best)
    {
    }

    internal CpuBackend(int threads, CpuKernels kernels)
        : this(threads, kernels, new())
    {
        _ownsPool = true;
        var lanes = Math.Min(threads, MostLanes);
        if (lanes > 1)
        {
            _lanes = [.. Enumerable.Range(0, lanes).Select(
                lane => new CpuBackend((threads + lane) / lanes, kernels, _pool))];
        }
    }

    private CpuBackend(int threads, CpuKernels kernels, BufferPool pool)
    {
        _threads = new(threads);
        _kernels = kernels;
        _pool = pool;
    }

    public int Threads => _threads.Threads;

    public override string Description => $"cpu {_kernels.Name}, {Threads} {(Threads == 1 ? "thread" : "threads")}";

    public override long AllocatedBytes => _pool.BytesInUse;

    public override IReadOnlyList<TensorBackend> Lanes => _lanes.Length == 0 ? [this] : _lanes;

    public override Determinism Determinism =>
        Determinism.Repeatable | Determinism.BatchInvariant | Determinism.ThreadInvariant;

    /// <remarks>
    /// About 10 ms on one thread. Shorter batches gain little from more threads: waking them and waiting for each other
    /// after every operation costs more than it saves as soon as batches come close together.
    /// </remarks>
    public override long WholeDeviceMultiplyAdds => 1_000_000_000;

    public override void Trim() => PageMemory.Trim();

    /// <summary>Runs multiply-adds on registers on every thread: the peak that products are measured against.</summary>
    /// <returns>Floating-point operations done.</returns>
    public long RunMultiplyAdds(int repeats)
    {
        var job = new PeakJob { Kernels = _kernels, Repeats = repeats / ItemsPerThread };
        var items = Threads * ItemsPerThread;
        _threads.Run(ref job, items);
        return _kernels.MultiplyAdds(1) * job.Repeats * items;
    }

    public override Tensor Allocate(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        var stride = (int)OddCacheLines(columns);
        return new(_pool.Rent((long)rows * stride * sizeof(float), hugePages: true), 0, rows, columns, stride);
    }

    public override TensorArena CreateArena() => new CpuArena(this);

    public override PackedWeight PackWeight(ReadOnlySpan<Tensor> weights, WeightFormat format = WeightFormat.Float32)
    {
        if (weights.Length == 0)
            throw new ShapeException("PackWeight: no weights came; at least one is needed.");
        var outFeatures = 0;
        foreach (var weight in weights)
        {
            if (weight.Columns != weights[0].Columns)
                throw new ShapeException($"PackWeight: {weights[0]} and {weight} differ in input features.");
            outFeatures += weight.Rows;
        }

        return new CpuPackedWeight(_pool, weights, outFeatures, format);
    }

    public override MaskSet AllocateMasks(ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes) =>
        new CpuMaskSet(_pool, shapes);

    public override void Linear(
        Tensor x,
        PackedWeight weight,
        Tensor bias,
        ReadOnlySpan<RowSegment> segments,
        Activation activation,
        Tensor residual,
        Tensor output)
    {
        var packed = (CpuPackedWeight)weight;
        Shapes.Linear(x, weight, bias, segments, residual, output);
        if (x.Rows == 0)
            return;

        var room = Math.Max(1, segments.Length);
        fixed (MaskedRows* rows = room <= MaxSegmentsOnStack ? stackalloc MaskedRows[room] : new MaskedRows[room])
        {
            Linear(new LinearArguments
            {
                X = Pointer(x),
                XStride = x.Stride,
                Panels = packed.Panels,
                Format = packed.Format,
                InFeatures = packed.InFeatures,
                OutFeatures = packed.OutFeatures,
                Bias = PointerOrNull(bias),
                Activation = activation,
                Residual = PointerOrNull(residual),
                ResidualStride = residual.Stride,
                Output = Pointer(output),
                OutputStride = output.Stride,
                Segments = rows,
                SegmentCount = MergeSegments(segments, x.Rows, rows)
            });
        }
    }

    public override void Project(Tensor x, Tensor weight, Tensor bias, Tensor output)
    {
        Shapes.Project(x, weight, bias, output);
        var job = new ProjectJob
        {
            Kernels = _kernels,
            X = Pointer(x),
            XStride = x.Stride,
            Weight = Pointer(weight),
            WeightStride = weight.Stride,
            Bias = PointerOrNull(bias),
            Output = Pointer(output),
            OutputStride = output.Stride,
            Rows = x.Rows,
            InFeatures = x.Columns,
            OutFeatures = weight.Rows,
            RowsPerItem = RowsPerItem
        };
        _threads.Run(ref job, ItemCount(x.Rows));
    }

    public override void LayerNorm(Tensor x, Tensor gamma, Tensor beta, float epsilon, Tensor output)
    {
        Shapes.LayerNorm(x, gamma, beta, output);
        var job = new LayerNormJob
        {
            Kernels = _kernels,
            X = Pointer(x),
            XStride = x.Stride,
            Gamma = Pointer(gamma),
            Beta = Pointer(beta),
            Epsilon = epsilon,
            Output = Pointer(output),
            OutputStride = output.Stride,
            Rows = x.Rows,
            Columns = x.Columns,
            RowsPerItem = RowsPerItem
        };
        _threads.Run(ref job, ItemCount(x.Rows));
    }

    public override void EmbeddingSum(
        Tensor tokens, Tensor positions, Tensor types, ReadOnlySpan<TokenIds> ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        fixed (TokenIds* idsPointer = ids)
        {
            var job = new EmbeddingJob
            {
                Kernels = _kernels,
                Tokens = Pointer(tokens),
                TokenStride = tokens.Stride,
                Positions = Pointer(positions),
                PositionStride = positions.Stride,
                Types = Pointer(types),
                TypeStride = types.Stride,
                Ids = idsPointer,
                Output = Pointer(output),
                OutputStride = output.Stride,
                Rows = ids.Length,
                Columns = output.Columns,
                RowsPerItem = RowsPerItem
            };
            _threads.Run(ref job, ItemCount(ids.Length));
        }
    }

    public override void Attention(
        Tensor query,
        ReadOnlySpan<int> queryOffsets,
        Tensor key,
        Tensor value,
        ReadOnlySpan<int> keyOffsets,
        int heads,
        Tensor output) =>
        Attention(query, queryOffsets, key, value, keyOffsets, heads, dropout: default, output);

    public override void GatherRows(Tensor x, ReadOnlySpan<int> rows, Tensor output)
    {
        Shapes.GatherRows(x, rows, output);
        for (var i = 0; i < rows.Length; i++)
        {
            new ReadOnlySpan<float>(Pointer(x) + ((nint)rows[i] * x.Stride), x.Columns)
                .CopyTo(new Span<float>(Pointer(output) + ((nint)i * output.Stride), x.Columns));
        }
    }

    /// <summary>Stops the threads and frees the buffers that are not in use.</summary>
    [SuppressMessage("Usage", "CA1816:Dispose methods should call SuppressFinalize", Justification = "No finalizer.")]
    public override void Dispose()
    {
        foreach (var lane in _lanes)
            lane.Dispose();
        _threads.Dispose();
        lock (_scratchGate)
            _scratch?.Dispose();
        if (_ownsPool)
            _pool.Dispose();
    }

    internal static float* Pointer(Tensor tensor) => ((NativeBuffer)tensor.Storage).Floats + tensor.Offset;

    /// <summary>Rounds up to an odd number of cache lines: rows then fall into different sets of the cache.</summary>
    internal static nint OddCacheLines(long floats) =>
        (nint)(((floats + FloatsPerCacheLine - 1) / FloatsPerCacheLine) | 1) * FloatsPerCacheLine;

    private static float* PointerOrNull(Tensor tensor) => tensor.IsNone ? null : Pointer(tensor);

    private static int ItemCount(int rows) => (rows + RowsPerItem - 1) / RowsPerItem;

    /// <summary>Runs a linear layer whose segments are merged, in blocks of rows and panels.</summary>
    private void Linear(LinearArguments arguments)
    {
        var segments = arguments.Segments;
        var rows = segments[arguments.SegmentCount - 1].EndRow;
        var panels = Panels.Count(arguments.OutFeatures);
        var mostBlocks = arguments.SegmentCount + (rows / LinearBlocking.Rows) + 2;
        fixed (int* rowStarts = mostBlocks <= MaxSegmentsOnStack ? stackalloc int[mostBlocks] : new int[mostBlocks])
        {
            var job = new LinearJob
            {
                Kernels = _kernels,
                Arguments = arguments,
                RowStarts = rowStarts,
                RowBlocks = CutRows(segments, arguments.SegmentCount, rowStarts),
                PanelCount = panels,
                PanelsPerItem = Math.Clamp(panels / (Threads * ItemsPerThread), 1, 8)
            };
            _threads.Run(ref job, job.Items);
        }
    }

    /// <summary>Turns segments into row ranges; neighbours with the same mask become one.</summary>
    private static int MergeSegments(ReadOnlySpan<RowSegment> segments, int allRows, MaskedRows* merged)
    {
        if (segments.Length == 0)
        {
            merged[0] = new(0, allRows, bits: null);
            return 1;
        }

        var count = 0;
        var row = 0;
        foreach (var segment in segments)
        {
            if (segment.Rows == 0)
                continue;
            var bits = segment.Mask is null ? null : ((CpuPackedMask)segment.Mask).Words;
            if (count > 0 && merged[count - 1].Bits == bits)
                merged[count - 1] = new(merged[count - 1].FirstRow, row + segment.Rows, bits);
            else
                merged[count++] = new(row, row + segment.Rows, bits);
            row += segment.Rows;
        }

        return count;
    }

    /// <summary>Cuts rows into blocks, if possible between segments, so that none gets a tile of few rows.</summary>
    /// <param name="starts">Receives where each block begins, and the end of the last.</param>
    /// <returns>How many blocks there are.</returns>
    private static int CutRows(MaskedRows* segments, int segmentCount, int* starts)
    {
        var blocks = 0;
        starts[0] = 0;
        for (var s = 0; s < segmentCount; s++)
        {
            var (first, end) = (segments[s].FirstRow, segments[s].EndRow);
            if (end - starts[blocks] <= LinearBlocking.Rows)
                continue;
            if (first > starts[blocks])
                starts[++blocks] = first;

            // A segment of more rows than a block is cut into equal parts.
            var parts = (end - first + LinearBlocking.Rows - 1) / LinearBlocking.Rows;
            for (var part = 1; part < parts; part++)
                starts[++blocks] = first + (int)((long)(end - first) * part / parts);
        }

        starts[++blocks] = segments[segmentCount - 1].EndRow;
        return blocks;
    }

    /// <summary>Memory for the threads' intermediate values; grows to the largest size needed and is kept.</summary>
    private float* Scratch(long floats)
    {
        var bytes = floats * sizeof(float);
        if (_scratch is null || _scratch.Bytes < bytes)
        {
            _scratch?.Dispose();
            _scratch = _pool.Rent(bytes, hugePages: false);
        }

        return _scratch.Floats;
    }
}
