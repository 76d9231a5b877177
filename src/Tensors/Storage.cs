namespace Serving.Tensors;

/// <summary>The memory behind tensors, owned by the backend that made it. Freed by Dispose, at once.</summary>
public abstract class Storage : IDisposable
{
    /// <summary>Bytes that the storage holds, as the ledger counts them.</summary>
    public abstract long Bytes { get; }

    /// <summary>Copies values in, beginning at an element.</summary>
    public abstract void Write(long offset, ReadOnlySpan<float> values);

    /// <summary>Copies values out, beginning at an element.</summary>
    public abstract void Read(long offset, Span<float> values);

    /// <summary>Gives the memory back. Tensors that view it must not be used any more.</summary>
    public abstract void Dispose();
}
