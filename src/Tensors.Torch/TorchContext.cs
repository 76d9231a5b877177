using System.Runtime.InteropServices;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>A device of libtorch: allocations, copies, and turns of the threads that use it.</summary>
internal sealed class TorchContext : IDisposable
{
    private const int BitsPerByte = 8;
    private const int Bytes = 1 << BitsPerByte;

    private static readonly torch.ScalarType[] TypesOfBits =
        [torch.ScalarType.Bool, torch.ScalarType.Float32, torch.ScalarType.BFloat16];

    private readonly Lock _gate = new();
    private readonly Dictionary<torch.ScalarType, TorchMemory> _bits = [];
    private readonly TorchMemory _zero;

    public TorchContext(torch.Device device)
    {
        Device = device;
        One = 1.ToScalar();
        using var operation = Begin();
        var bits = new bool[Bytes * BitsPerByte];
        for (var i = 0; i < bits.Length; i++)
            bits[i] = ((i / BitsPerByte >> (i % BitsPerByte)) & 1) == 1;
        var table = Upload<bool>(bits, torch.ScalarType.Bool).view(Bytes, BitsPerByte);
        foreach (var type in TypesOfBits)
            _bits[type] = new(new(), table.to(type));
        _zero = new(new(), torch.zeros([], torch.ScalarType.Float32, device));
    }

    public torch.Device Device { get; }

    public bool IsCuda => Device.type == DeviceType.CUDA;

    public TorchLedger Ledger { get; } = new();

    public TorchSharp.Scalar One { get; }

    /// <summary>The bits of each byte, least significant first: [256, 8].</summary>
    /// <param name="type">Bool, or a type that weights have: 0 or 1.</param>
    public torch.Tensor BitsOfBytes(torch.ScalarType type) => _bits[type].Values;

    /// <summary>The number 0, of float.</summary>
    public torch.Tensor Zero => _zero.Values;

    /// <summary>Begins an operation: others wait, no gradients are recorded, and its tensors end with it.</summary>
    public Operation Begin() => new(_gate);

    /// <summary>A tensor of zeros, an owner's.</summary>
    /// <exception cref="DeviceMemoryException">The device has not that much memory left.</exception>
    public TorchMemory Allocate(long elements, torch.ScalarType type)
    {
        try
        {
            return new(Ledger, torch.zeros([elements], type, Device));
        }
        catch (ExternalException refusal) when (IsOutOfMemory(refusal))
        {
            throw new DeviceMemoryException(
                $"{Device} has no room for {elements} elements of {type}; {Ledger.Bytes} bytes are in use.");
        }
    }

    /// <summary>A tensor [values] on the device; it ends with the operation.</summary>
    public torch.Tensor Upload(ReadOnlySpan<int> values) => Upload(values, torch.ScalarType.Int32);

    public torch.Tensor Upload(ReadOnlySpan<long> values) => Upload(values, torch.ScalarType.Int64);

    public torch.Tensor Upload(ReadOnlySpan<float> values) => Upload(values, torch.ScalarType.Float32);

    public torch.Tensor Upload(ReadOnlySpan<byte> values) => Upload(values, torch.ScalarType.Byte);

    /// <summary>Waits for a tensor's values and copies them out, row-major.</summary>
    public static void Download<T>(torch.Tensor tensor, Span<T> values)
        where T : unmanaged
    {
        if (values.IsEmpty)
            return;
        var host = tensor.cpu().contiguous();
        MemoryMarshal.Cast<byte, T>(host.bytes)[..values.Length].CopyTo(values);
    }

    public static bool IsOutOfMemory(ExternalException refusal) =>
        refusal.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
        || refusal.Message.Contains("can't allocate memory", StringComparison.Ordinal)
        || refusal.Message.Contains("_STATUS_ALLOC_FAILED", StringComparison.Ordinal); // Of CUDA's libraries.

    /// <summary>Whether the device failed, and not the operation: CUDA's errors stay until the process ends.</summary>
    public static bool IsLoss(ExternalException refusal) =>
        refusal.Message.Contains("CUDA error", StringComparison.Ordinal)
        || refusal.Message.Contains("CUDA driver error", StringComparison.Ordinal);

    public void Dispose()
    {
        One.Dispose();
        foreach (var table in _bits.Values)
            table.Dispose();
        _zero.Dispose();
    }

    private torch.Tensor Upload<T>(ReadOnlySpan<T> values, torch.ScalarType type)
        where T : unmanaged
    {
        var host = torch.empty([values.Length], type, torch.CPU);
        MemoryMarshal.AsBytes(values).CopyTo(host.bytes);
        return IsCuda ? host.to(Device) : host;
    }

    /// <summary>The extent of an operation.</summary>
    internal readonly ref struct Operation
    {
        private readonly Lock _gate;
        private readonly IDisposable _mode;
        private readonly DisposeScope _tensors;

        public Operation(Lock gate)
        {
            _gate = gate;
            gate.Enter();
            _mode = torch.inference_mode();
            _tensors = torch.NewDisposeScope();
        }

        public void Dispose()
        {
            _tensors.Dispose();
            _mode.Dispose();
            _gate.Exit();
        }
    }
}
