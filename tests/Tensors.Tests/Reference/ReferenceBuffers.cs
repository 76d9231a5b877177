namespace Serving.Tensors.Tests.Reference;

internal sealed class ReferenceIndexBuffer(ReferenceLedger ledger, int capacity) : IndexBuffer(capacity)
{
    private readonly ReferenceAllocation _allocation = new(ledger, (long)capacity * sizeof(int));
    private int[] _values = [];

    public override long Bytes => _allocation.Bytes;

    public override ReadOnlySpan<int> Values
    {
        get
        {
            _allocation.ThrowIfFreed();
            return _values;
        }
    }

    public override void Dispose() => _allocation.Dispose();

    protected override void Store(ReadOnlySpan<int> values) => _values = values.ToArray();
}

internal sealed class ReferenceScalarBuffer(int count) : ScalarBuffer(count)
{
    private readonly double[] _values = new double[count];

    public static void Add(Scalar scalar, double value) =>
        ((ReferenceScalarBuffer)scalar.Buffer)._values[scalar.Index] += value;

    public override void Read(Span<double> values)
    {
        for (var i = 0; i < values.Length; i++)
            values[i] = _values[i];
    }

    public override void Clear() => Array.Clear(_values);

    public override void Dispose()
    {
    }
}

/// <summary>Each tensor is an allocation of its own until the step ends.</summary>
internal sealed class ReferenceArena(ReferenceBackend backend) : TensorArena(backend)
{
    private readonly ReferenceBackend _backend = backend;
    private readonly List<Tensor> _rented = [];

    public override Tensor Rent(int rows, int columns)
    {
        var tensor = _backend.Allocate(rows, columns);
        _rented.Add(tensor);
        return tensor;
    }

    public override void Reset()
    {
        base.Reset();
        foreach (var tensor in _rented)
            tensor.Dispose();
        _rented.Clear();
    }

    public override void Dispose()
    {
        Reset();
        base.Dispose();
    }
}
