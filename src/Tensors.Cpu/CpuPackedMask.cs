using System.Numerics;
using System.Runtime.InteropServices;
using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>A mask in panels, a view of its set's memory.</summary>
internal sealed unsafe class CpuPackedMask(NativeBuffer buffer, nint firstWord, int outFeatures, int inFeatures)
    : PackedMask(outFeatures, inFeatures)
{
    public uint* Words => (uint*)buffer.Floats + firstWord;

    /// <summary>Words of a mask, padding included.</summary>
    public static nint WordCount(int outFeatures, int inFeatures) => (nint)Panels.Count(outFeatures) * inFeatures;

    public override void Write(int firstRow, int rows, ReadOnlySpan<byte> bits)
    {
        ThrowUnlessRows(firstRow, rows, bits.Length);
        Panels.PackMask(bits, firstRow, rows, InFeatures, Words);
    }

    public override void Read(int firstRow, int rows, Span<byte> bits)
    {
        ThrowUnlessRows(firstRow, rows, bits.Length);
        Panels.UnpackMask(Words, firstRow, rows, InFeatures, bits);
    }

    public override long PopCount()
    {
        // Padding is zero, so every word counts whole.
        var count = 0L;
        var words = MemoryMarshal.CreateReadOnlySpan(ref Words[0], checked((int)WordCount(OutFeatures, InFeatures)));
        foreach (var word in words)
            count += BitOperations.PopCount(word);
        return count;
    }
}

/// <summary>Masks one after another in one buffer.</summary>
internal sealed class CpuMaskSet : MaskSet
{
    private readonly NativeBuffer _buffer;
    private readonly CpuPackedMask[] _masks;

    public CpuMaskSet(BufferPool pool, ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes)
    {
        nint words = 0;
        foreach (var (outFeatures, inFeatures) in shapes)
            words += CpuPackedMask.WordCount(outFeatures, inFeatures);
        _buffer = pool.Rent(words * sizeof(uint), hugePages: false); // Small pages: a task takes its bytes and no more.
        _masks = new CpuPackedMask[shapes.Length];
        nint first = 0;
        for (var i = 0; i < shapes.Length; i++)
        {
            var (outFeatures, inFeatures) = shapes[i];
            _masks[i] = new(_buffer, first, outFeatures, inFeatures);
            first += CpuPackedMask.WordCount(outFeatures, inFeatures);
        }
    }

    public override IReadOnlyList<PackedMask> Masks => _masks;

    public override long Bytes => _buffer.Bytes;

    public override void Dispose() => _buffer.Dispose();
}
