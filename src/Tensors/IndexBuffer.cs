using System.Runtime.InteropServices;

namespace Serving.Tensors;

/// <summary>Whole numbers in a backend's memory: rows, offsets, labels, token ids.</summary>
/// <remarks>
/// Written once a batch, used by many operations. The last operation that uses what it holds must have been called
/// before it is written again. Freed by Dispose, at once.
/// </remarks>
public abstract class IndexBuffer : IDisposable
{
    /// <param name="capacity">The most numbers that it holds; at least 0.</param>
    protected IndexBuffer(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        Capacity = capacity;
    }

    public int Capacity { get; }

    /// <summary>Bytes that it holds on the device.</summary>
    public abstract long Bytes { get; }

    /// <summary>What was written last, as the host keeps it: operands are checked without asking the device.</summary>
    public abstract ReadOnlySpan<int> Values { get; }

    /// <summary>The same, if it was written by <see cref="WriteTokens"/>.</summary>
    public ReadOnlySpan<TokenIds> Tokens => MemoryMarshal.Cast<int, TokenIds>(Values);

    /// <summary>Replaces all that it holds.</summary>
    /// <exception cref="ShapeException">There are more values than it has room for.</exception>
    public void Write(ReadOnlySpan<int> values)
    {
        if (values.Length > Capacity)
            throw new ShapeException($"Indices: {values.Length} values came; there is room for {Capacity}.");
        Store(values);
    }

    /// <summary>Replaces all that it holds by three numbers for each token.</summary>
    public void WriteTokens(ReadOnlySpan<TokenIds> ids) => Write(MemoryMarshal.Cast<TokenIds, int>(ids));

    /// <summary>Gives the memory back.</summary>
    public abstract void Dispose();

    /// <summary>Takes a copy of at most Capacity values.</summary>
    protected abstract void Store(ReadOnlySpan<int> values);
}

/// <summary>Where a token's embeddings lie in their tables.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct TokenIds(int Token, int Position, int Type)
{
    /// <summary>Numbers of a token in an index buffer.</summary>
    public const int Count = 3;
}
