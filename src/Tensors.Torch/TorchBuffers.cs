using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Whole numbers on the host, and on the device from their first use there on.</summary>
internal sealed class TorchIndexBuffer : IndexBuffer
{
    private readonly TorchContext _context;
    private readonly TorchMemory _memory;
    private readonly int[] _values;
    private int _count;
    private bool _isOnDevice;

    public TorchIndexBuffer(TorchContext context, int capacity)
        : base(capacity)
    {
        _context = context;
        _memory = context.Allocate(capacity, torch.ScalarType.Int32);
        _values = new int[capacity];
    }

    public override long Bytes => _memory.Bytes;

    public override ReadOnlySpan<int> Values
    {
        get
        {
            _ = _memory.Values;
            return _values.AsSpan(0, _count);
        }
    }

    /// <summary>The numbers on the device, [count]; in an operation.</summary>
    public torch.Tensor OnDevice()
    {
        var values = _memory.Values.narrow(0, 0, _count);
        if (!_isOnDevice)
            values.copy_(_context.Upload(Values));
        _isOnDevice = true;
        return values;
    }

    public override void Dispose() => _memory.Dispose();

    protected override void Store(ReadOnlySpan<int> values)
    {
        _ = _memory.Values;
        values.CopyTo(_values);
        _count = values.Length;
        _isOnDevice = false;
    }
}

/// <summary>Sums on the device, in double precision.</summary>
internal sealed class TorchScalarBuffer(TorchContext context, int count) : ScalarBuffer(count)
{
    private readonly TorchMemory _memory = context.Allocate(count, torch.ScalarType.Float64);

    /// <summary>Adds a tensor of one number to a sum of such a buffer; in an operation.</summary>
    public static void Add(Scalar scalar, torch.Tensor value) =>
        ((TorchScalarBuffer)scalar.Buffer)._memory.Values.narrow(0, scalar.Index, 1).add_(value);

    public override void Read(Span<double> values)
    {
        using var operation = context.Begin();
        TorchContext.Download(_memory.Values, values);
    }

    public override void Clear()
    {
        using var operation = context.Begin();
        _memory.Values.zero_();
    }

    public override void Dispose() => _memory.Dispose();
}
