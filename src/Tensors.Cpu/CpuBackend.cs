using System.Diagnostics.CodeAnalysis;
using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>Runs on this machine's processor, with its widest vectors and a fixed number of threads.</summary>
public sealed unsafe partial class CpuBackend : TrainingBackend
{
    private const int FloatsPerCacheLine = 16;

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

    public override string Arithmetic => $"cpu {_kernels.Name}";

    public override string Reason => _kernels.Reason;

    public override long AllocatedBytes => _pool.BytesInUse;

    public override IReadOnlyList<TensorBackend> Lanes => _lanes.Length == 0 ? [this] : _lanes;

    public override Determinism Determinism =>
        Determinism.Repeatable | Determinism.BatchInvariant | Determinism.ThreadInvariant;

    /// <remarks>
    /// About 10 ms on one thread. Shorter batches gain little from more threads: waking them and waiting for each other
    /// after every operation costs more than it saves as soon as batches come close together.
    /// </remarks>
    public override long WholeDeviceMultiplyAdds => 1_000_000_000;

    public override int SliceFeatures => Panels.Width;

    public override void Trim()
    {
        _pool.Trim();
        PageMemory.Trim();
    }

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

    public override IndexBuffer AllocateIndices(int capacity) => new CpuIndexBuffer(_pool, capacity);

    public override ScalarBuffer AllocateScalars(int count) => new CpuScalarBuffer(count);

    public override TensorArena CreateArena() => new CpuArena(this);

    public override PackedWeight PackWeight(ReadOnlySpan<Tensor> weights, WeightFormat format = WeightFormat.Float32)
    {
        var outFeatures = Shapes.PackWeight(weights);
        return new CpuPackedWeight(_pool, weights, outFeatures, format);
    }

    public override MaskSet AllocateMasks(ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes) =>
        new CpuMaskSet(_pool, shapes);

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

    private static int* Pointer(IndexBuffer indices) => ((CpuIndexBuffer)indices).Pointer;

    private static float* PointerOrNull(Tensor tensor) => tensor.IsNone ? null : Pointer(tensor);

    private static int ItemCount(int rows) => (rows + RowsPerItem - 1) / RowsPerItem;

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
