namespace Serving.Tensors;

/// <summary>One bit for each element of a weight [outFeatures, inFeatures]: 1 keeps it, 0 drops it.</summary>
/// <remarks>
/// Laid out like the backend's packed weights. Outside of a backend a mask is row-major, least significant bit first,
/// without gaps between rows: element (row, column) is bit (row * inFeatures + column) % 8 of byte
/// (row * inFeatures + column) / 8.
/// </remarks>
public abstract class PackedMask
{
    protected PackedMask(int outFeatures, int inFeatures)
    {
        OutFeatures = outFeatures;
        InFeatures = inFeatures;
    }

    public int OutFeatures { get; }

    public int InFeatures { get; }

    /// <summary>Sets the bits of some rows; masks of stacked weights are written one after another.</summary>
    /// <param name="firstRow">Where the rows begin.</param>
    /// <param name="rows">How many there are.</param>
    /// <param name="bits">rows * inFeatures bits, row-major, least significant first.</param>
    /// <exception cref="ShapeException">Rows are out of range, or the number of bytes is wrong.</exception>
    public abstract void Write(int firstRow, int rows, ReadOnlySpan<byte> bits);

    /// <summary>Reads the bits of some rows in the format of <see cref="Write"/>.</summary>
    public abstract void Read(int firstRow, int rows, Span<byte> bits);

    /// <summary>How many bits are 1.</summary>
    public abstract long PopCount();

    public override string ToString() => $"[{OutFeatures}, {InFeatures}] mask";

    /// <summary>Bytes of that many bits.</summary>
    public static long ByteCount(long bits) => (bits + 7) / 8;

    protected void ThrowUnlessRows(int firstRow, int rows, int byteCount)
    {
        if (firstRow < 0 || rows < 0 || firstRow > OutFeatures - rows)
            throw new ShapeException($"Mask: rows {firstRow} to {firstRow + (long)rows} are not in {this}.");
        var needed = ByteCount((long)rows * InFeatures);
        if (byteCount != needed)
            throw new ShapeException($"Mask: {byteCount} bytes came for {rows} rows of {this}; {needed} are needed.");
    }
}

/// <summary>Masks that are allocated and freed together.</summary>
public abstract class MaskSet : IDisposable
{
    /// <summary>The masks, in the order of the shapes that were asked for; every bit is 0 at first.</summary>
    public abstract IReadOnlyList<PackedMask> Masks { get; }

    /// <summary>Bytes in memory.</summary>
    public abstract long Bytes { get; }

    public abstract void Dispose();
}
