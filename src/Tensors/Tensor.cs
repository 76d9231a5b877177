namespace Serving.Tensors;

/// <summary>A float32 matrix [rows, columns] in a backend's memory; a vector is [1, columns].</summary>
/// <remarks>
/// A view: copying or slicing it copies no values. Disposing it frees the storage, so only its owner does that.
/// Rows lie <see cref="Stride"/> elements apart, which may be more than the columns.
/// </remarks>
public readonly struct Tensor : IDisposable
{
    private readonly long _offset;

    /// <summary>A view of a storage, beginning at an element.</summary>
    public Tensor(Storage storage, long offset, int rows, int columns, int stride)
    {
        ArgumentNullException.ThrowIfNull(storage);
        Storage = storage;
        _offset = offset;
        Rows = rows;
        Columns = columns;
        Stride = stride;
    }

    public Storage Storage { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Elements from the beginning of a row to the beginning of the next.</summary>
    public int Stride { get; }

    /// <summary>Elements from the beginning of the storage.</summary>
    public long Offset => _offset;

    /// <summary>True for default(Tensor), which stands for "none" where an operand is optional.</summary>
    public bool IsNone => Storage is null;

    /// <summary>Some of the rows, without copying.</summary>
    /// <exception cref="ShapeException">The tensor has fewer rows.</exception>
    public Tensor Slice(int firstRow, int rows)
    {
        if (firstRow < 0 || rows < 0 || firstRow > Rows - rows)
            throw new ShapeException($"Slice: rows {firstRow} to {firstRow + (long)rows} are not in {this}.");
        return new(Storage, _offset + ((long)firstRow * Stride), rows, Columns, Stride);
    }

    /// <summary>Some of the columns, without copying.</summary>
    /// <exception cref="ShapeException">The tensor has fewer columns.</exception>
    public Tensor SliceColumns(int firstColumn, int columns)
    {
        if (firstColumn < 0 || columns < 0 || firstColumn > Columns - columns)
        {
            throw new ShapeException(
                $"SliceColumns: columns {firstColumn} to {firstColumn + (long)columns} are not in {this}.");
        }

        return new(Storage, _offset + firstColumn, Rows, columns, Stride);
    }

    /// <summary>Copies row-major values in.</summary>
    /// <exception cref="ShapeException">There are not rows x columns values.</exception>
    public void CopyFrom(ReadOnlySpan<float> values)
    {
        ThrowUnlessLength(values.Length);
        Storage.Write(_offset, Rows, Columns, Stride, values);
    }

    /// <summary>Copies the values out, row-major.</summary>
    /// <exception cref="ShapeException">There is not room for exactly rows x columns values.</exception>
    public void CopyTo(Span<float> values)
    {
        ThrowUnlessLength(values.Length);
        Storage.Read(_offset, Rows, Columns, Stride, values);
    }

    /// <summary>The values, row-major, in a new array.</summary>
    public float[] ToArray()
    {
        var values = new float[Rows * Columns];
        CopyTo(values);
        return values;
    }

    public void Dispose() => Storage?.Dispose();

    public override string ToString() => $"[{Rows}, {Columns}]";

    private void ThrowUnlessLength(int length)
    {
        if (length != (long)Rows * Columns)
            throw new ShapeException($"Copy: {length} values came for {this}, which has {(long)Rows * Columns}.");
    }
}
