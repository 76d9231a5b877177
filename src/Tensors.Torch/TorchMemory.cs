using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>A tensor of libtorch with its entry in the ledger. Freed by Dispose, at once.</summary>
internal sealed class TorchMemory : IDisposable
{
    private readonly TorchLedger _ledger;
    private torch.Tensor? _values;

    /// <param name="values">Becomes this object's own; no scope disposes it any more.</param>
    public TorchMemory(TorchLedger ledger, torch.Tensor values)
    {
        _ledger = ledger;
        _values = values.DetachFromDisposeScope();
        Bytes = values.NumberOfElements * values.ElementSize;
        ledger.Add(Bytes);
    }

    public long Bytes { get; }

    public torch.Tensor Values
    {
        get
        {
            var values = _values;
            ObjectDisposedException.ThrowIf(values is null, this);
            return values;
        }
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _values, null) is not { } values)
            return;
        values.Dispose();
        _ledger.Add(-Bytes);
    }
}
