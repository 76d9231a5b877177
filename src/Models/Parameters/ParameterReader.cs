using System.Runtime.InteropServices;
using Serving.Tensors;

namespace Serving.Models.Parameters;

/// <summary>Reads parameters onto a device and digests them on the way.</summary>
/// <param name="memory">What is read belongs to it.</param>
internal sealed class ParameterReader(DeviceMemory memory, IParameterSource weights, WeightFormat format) : IDisposable
{
    // 4 MiB at a time, so that the largest table needs no array of its size.
    private const int ChunkFloats = 1 << 20;

    private readonly ParameterDigest _digest = new();
    private readonly float[] _chunk = new float[ChunkFloats];

    /// <summary>A parameter that stays as it is.</summary>
    public Tensor Tensor(string name, int rows, int columns)
    {
        var tensor = memory.Allocate(rows, columns);
        Read(name, tensor);
        return tensor;
    }

    public Norm Norm(string name, int hidden) =>
        new(Tensor(name + ".weight", 1, hidden), Tensor(name + ".bias", 1, hidden));

    /// <summary>Linear layers with the same input, stacked into one.</summary>
    public Dense Dense(IReadOnlyList<(string Name, int Rows)> modules, int columns)
    {
        var parts = new List<Tensor>();
        try
        {
            foreach (var (name, rows) in modules)
                parts.Add(Read(name + ".weight", rows, columns));
            return new(memory.PackWeight(parts, format), StackedBias(modules));
        }
        finally
        {
            foreach (var part in parts)
                part.Dispose();
        }
    }

    /// <summary>A linear layer's weight, without a bias.</summary>
    public PackedWeight Weight(string name, int rows, int columns)
    {
        using var part = Read(name, rows, columns);
        return memory.PackWeight([part], format);
    }

    /// <summary>A vector that the caller makes something of.</summary>
    public float[] Vector(string name, int columns)
    {
        using var part = Read(name, 1, columns);
        return part.ToArray();
    }

    /// <summary>The digest of all that was read; call it once, at the end.</summary>
    public string Digest() => _digest.Finish();

    public void Dispose() => _digest.Dispose();

    private Tensor StackedBias(IReadOnlyList<(string Name, int Rows)> modules)
    {
        var values = new List<float>();
        foreach (var (name, rows) in modules)
            values.AddRange(Vector(name + ".bias", rows));

        var bias = memory.Allocate(1, values.Count);
        bias.CopyFrom(CollectionsMarshal.AsSpan(values));
        return bias;
    }

    /// <summary>A parameter that the caller frees.</summary>
    private Tensor Read(string name, int rows, int columns)
    {
        var tensor = memory.Backend.Allocate(rows, columns);
        try
        {
            Read(name, tensor);
            return tensor;
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
    }

    private void Read(string name, Tensor tensor)
    {
        var (rows, columns) = (tensor.Rows, tensor.Columns);
        _digest.Begin(name, rows, columns);
        var rowsPerChunk = Math.Max(1, ChunkFloats / columns);
        for (var row = 0; row < rows; row += rowsPerChunk)
        {
            var count = Math.Min(rowsPerChunk, rows - row);
            var size = count * columns;
            var values = size <= ChunkFloats ? _chunk.AsSpan(0, size) : new float[size];
            weights.Read(name, rows, columns, row, values);
            _digest.Append(values);
            tensor.Slice(row, count).CopyFrom(values);
        }
    }
}
