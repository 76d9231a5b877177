namespace Serving.Tensors;

/// <summary>The memory behind tensors, owned by the backend that made it. Freed by Dispose, at once.</summary>
public abstract class Storage : IDisposable
{
    /// <summary>Bytes that the storage holds, as the ledger counts them.</summary>
    public abstract long Bytes { get; }

    /// <summary>Copies row-major values into rows that lie apart.</summary>
    /// <param name="offset">Where the first row begins, in elements of the storage.</param>
    /// <param name="stride">Elements from the beginning of a row to that of the next; at least the columns.</param>
    /// <param name="values">rows * columns values.</param>
    /// <exception cref="ShapeException">Some of the rows are outside of the storage.</exception>
    public abstract void Write(long offset, int rows, int columns, int stride, ReadOnlySpan<float> values);

    /// <summary>Copies such rows out, row-major.</summary>
    /// <param name="values">Room for rows * columns values.</param>
    /// <exception cref="ShapeException">Some of the rows are outside of the storage.</exception>
    public abstract void Read(long offset, int rows, int columns, int stride, Span<float> values);

    /// <summary>Gives the memory back. Tensors that view it must not be used any more.</summary>
    public abstract void Dispose();
}
