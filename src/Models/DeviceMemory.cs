using Serving.Tensors;

namespace Serving.Models;

/// <summary>Memory of a device that is freed together: by its owner, or when a part of it can't be had.</summary>
internal sealed class DeviceMemory(TensorBackend backend) : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    public TensorBackend Backend { get; } = backend;

    /// <summary>Bytes on the device.</summary>
    public long Bytes { get; private set; }

    /// <summary>Zeros, [rows, columns].</summary>
    public Tensor Allocate(int rows, int columns)
    {
        var tensor = Own(() => Backend.Allocate(rows, columns));
        Bytes += tensor.Storage.Bytes;
        return tensor;
    }

    public IndexBuffer AllocateIndices(int capacity)
    {
        var indices = Own(() => Backend.AllocateIndices(capacity));
        Bytes += indices.Bytes;
        return indices;
    }

    /// <param name="parts">[rows, inFeatures] each, stacked; they may be freed afterwards.</param>
    public PackedWeight PackWeight(IReadOnlyList<Tensor> parts, WeightFormat format)
    {
        var weight = Own(() => Backend.PackWeight([.. parts], format));
        Bytes += weight.Bytes;
        return weight;
    }

    public void Dispose()
    {
        foreach (var owned in _owned)
            owned.Dispose();
        _owned.Clear();
    }

    private T Own<T>(Func<T> allocate)
        where T : IDisposable
    {
        try
        {
            var owned = allocate();
            _owned.Add(owned);
            return owned;
        }
        catch
        {
            Dispose();
            throw;
        }
    }
}
