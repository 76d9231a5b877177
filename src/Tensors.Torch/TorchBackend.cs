using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Runs on a device of libtorch, a processor or a CUDA device, through TorchSharp.</summary>
/// <remarks>
/// libtorch's own gradients are off: <see cref="TrainingBackend"/> has them as operations. What an operation needs on
/// its way ends with it; nothing is left to the garbage collector. Scalars and indices stay on the device, so that a
/// forward pass waits for nothing until its results are read.
/// </remarks>
public sealed partial class TorchBackend : TrainingBackend
{
    private const long MaskedWeightBytesOnCuda = 4L << 30;

    private readonly TorchContext _context;
    private readonly MaskedWeights _masked;
    private readonly bool _hasBFloat16Products;
    private readonly bool _hasBatchedProducts;

    /// <summary>Needs libtorch to be loaded: <see cref="TorchLibraries.Load"/>.</summary>
    /// <param name="device">Null for the processor, or the number of a CUDA device.</param>
    internal TorchBackend(int? device, TorchOptions options)
    {
        if (options.Threads > 0)
            torch.set_num_threads(options.Threads);
        _context = new(device is { } index ? new torch.Device(DeviceType.CUDA, index) : torch.CPU);
        _masked = new(_context, options.MaskedWeightBytes ?? (_context.IsCuda ? MaskedWeightBytesOnCuda : 0));
        _hasBFloat16Products = options.BFloat16Products ?? _context.IsCuda;
        _hasBatchedProducts = options.BatchedProducts ?? _context.IsCuda;
    }

    public override string Description
    {
        get
        {
            if (_context.IsCuda)
                return $"cuda:{_context.Device.index}, libtorch {TorchLibraries.Version}";
            var threads = torch.get_num_threads();
            return $"torch-cpu, libtorch {TorchLibraries.Version}, {threads} {(threads == 1 ? "thread" : "threads")}";
        }
    }

    public override string Reason => $"it was asked for; libtorch is {TorchLibraries.Folder}";

    public override long AllocatedBytes => _context.Ledger.Bytes;

    public override Determinism Determinism => Determinism.Repeatable;

    /// <summary>Bytes of masked weights that are kept for their next use.</summary>
    internal long KeptBytes => _masked.Bytes;

    public override Tensor Allocate(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(columns);
        return new(new TorchStorage(_context, (long)rows * columns), offset: 0, rows, columns, stride: columns);
    }

    public override IndexBuffer AllocateIndices(int capacity) => new TorchIndexBuffer(_context, capacity);

    public override ScalarBuffer AllocateScalars(int count) => new TorchScalarBuffer(_context, count);

    public override TensorArena CreateArena() => new TorchArena(this);

    public override PackedWeight PackWeight(ReadOnlySpan<Tensor> weights, WeightFormat format = WeightFormat.Float32)
    {
        var outFeatures = Shapes.PackWeight(weights);
        return new TorchPackedWeight(_context, _masked, weights, outFeatures, format);
    }

    public override MaskSet AllocateMasks(ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes) =>
        new TorchMaskSet(_context, _masked, shapes);

    public override string Arithmetic => _context.IsCuda ? $"cuda, libtorch {TorchLibraries.Version}" : Description;

    public override Exception Explain(Exception failure)
    {
        if (failure is not ExternalException refusal)
            return failure;
        var firstLine = refusal.Message.Split('\n', 2)[0];
        if (TorchContext.IsOutOfMemory(refusal))
        {
            return new DeviceMemoryException(
                $"{_context.Device} has no memory left; {AllocatedBytes} bytes are in use: {firstLine}");
        }

        return TorchContext.IsLoss(refusal)
            ? new DeviceLostException($"{_context.Device} does not answer any more: {firstLine}")
            : failure;
    }

    /// <summary>Frees the masked weights that are kept.</summary>
    public override void Trim() => _masked.Clear();

    [SuppressMessage("Usage", "CA1816:Dispose methods should call SuppressFinalize", Justification = "No finalizer.")]
    public override void Dispose()
    {
        _masked.Dispose();
        _context.Dispose();
    }

    /// <summary>The tensor of libtorch that sees the same elements; in an operation.</summary>
    internal static torch.Tensor View(Tensor tensor) => ((TorchStorage)tensor.Storage).Values
        .as_strided([tensor.Rows, tensor.Columns], [tensor.Stride, 1], tensor.Offset);

    private static torch.Tensor OnDevice(IndexBuffer indices) => ((TorchIndexBuffer)indices).OnDevice();
}
