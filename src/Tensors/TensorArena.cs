using System.Numerics;
using System.Runtime.InteropServices;

namespace Serving.Tensors;

/// <summary>A backend's memory for the values of one step: rented one by one, released all at once.</summary>
/// <param name="backend">What allocates index buffers.</param>
public abstract class TensorArena(TensorBackend backend) : IDisposable
{
    private const int LeastIndices = 64;

    private readonly List<IndexBuffer> _indices = [];
    private int _rentedIndices;

    /// <summary>A tensor that holds whatever was there before. The arena owns it; valid until Reset.</summary>
    public abstract Tensor Rent(int rows, int columns);

    /// <summary>A buffer that holds these numbers. The arena owns it; valid until Reset.</summary>
    public IndexBuffer RentIndices(ReadOnlySpan<int> values)
    {
        var at = _rentedIndices++;
        if (at == _indices.Count || _indices[at].Capacity < values.Length)
        {
            var capacity = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(values.Length, LeastIndices));
            var larger = backend.AllocateIndices(capacity);
            if (at == _indices.Count)
            {
                _indices.Add(larger);
            }
            else
            {
                _indices[at].Dispose();
                _indices[at] = larger;
            }
        }

        _indices[at].Write(values);
        return _indices[at];
    }

    /// <summary>The same for tokens.</summary>
    public IndexBuffer RentTokens(ReadOnlySpan<TokenIds> ids) => RentIndices(MemoryMarshal.Cast<TokenIds, int>(ids));

    /// <summary>Ends the life of all that was rented; keeps the memory for the next step.</summary>
    public virtual void Reset() => _rentedIndices = 0;

    /// <summary>Frees the memory.</summary>
    public virtual void Dispose()
    {
        foreach (var indices in _indices)
            indices.Dispose();
        GC.SuppressFinalize(this);
    }
}
