namespace Serving.Tensors.Tests.Reference;

/// <summary>Values in an array.</summary>
internal sealed class ReferenceStorage(ReferenceLedger ledger, long elements) : Storage
{
    private readonly ReferenceAllocation _allocation = new(ledger, elements * sizeof(float));
    private readonly float[] _values = new float[elements];

    public override long Bytes => _allocation.Bytes;

    public ref float this[long element]
    {
        get
        {
            _allocation.ThrowIfFreed();
            return ref _values[element];
        }
    }

    public override void Write(long offset, int rows, int columns, int stride, ReadOnlySpan<float> values)
    {
        Shapes.Copy(offset, rows, columns, stride, values.Length, _values.Length);
        for (var i = 0; i < values.Length; i++)
            this[offset + ((long)(i / columns) * stride) + (i % columns)] = values[i];
    }

    public override void Read(long offset, int rows, int columns, int stride, Span<float> values)
    {
        Shapes.Copy(offset, rows, columns, stride, values.Length, _values.Length);
        for (var i = 0; i < values.Length; i++)
            values[i] = this[offset + ((long)(i / columns) * stride) + (i % columns)];
    }

    public override void Dispose() => _allocation.Dispose();
}

/// <summary>Bytes of all allocations.</summary>
internal sealed class ReferenceLedger
{
    public long Bytes { get; set; }
}

/// <summary>An entry of the ledger, until it is disposed.</summary>
internal sealed class ReferenceAllocation : IDisposable
{
    private readonly ReferenceLedger _ledger;
    private bool _isFreed;

    public ReferenceAllocation(ReferenceLedger ledger, long bytes)
    {
        _ledger = ledger;
        Bytes = bytes;
        ledger.Bytes += bytes;
    }

    public long Bytes { get; }

    public void ThrowIfFreed() => ObjectDisposedException.ThrowIf(_isFreed, this);

    public void Dispose()
    {
        if (!_isFreed)
            _ledger.Bytes -= Bytes;
        _isFreed = true;
    }
}
