namespace Serving.Tensors;

/// <summary>Sums in double precision that stay in a backend's memory until they are read, all at once.</summary>
/// <remarks>Operations add to a sum, one after another in the order in which they are called.</remarks>
public abstract class ScalarBuffer : IDisposable
{
    /// <param name="count">How many sums; at least 1.</param>
    protected ScalarBuffer(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Count = count;
    }

    public int Count { get; }

    /// <summary>One of the sums, for an operation to add to.</summary>
    public Scalar this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return new(this, index);
        }
    }

    /// <summary>Waits for the operations that add to the sums, and copies the first of them out.</summary>
    /// <param name="values">Room for at most Count values.</param>
    public abstract void Read(Span<double> values);

    /// <summary>Sets all sums to 0.</summary>
    public abstract void Clear();

    /// <summary>Gives the memory back.</summary>
    public abstract void Dispose();
}

/// <summary>One sum of a <see cref="ScalarBuffer"/>.</summary>
public readonly record struct Scalar(ScalarBuffer Buffer, int Index);
