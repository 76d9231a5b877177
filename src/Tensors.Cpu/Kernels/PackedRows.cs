namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Rows of weights, read back out of their panels.</summary>
/// <remarks>
/// Each value lies in a cache line of its own: 768 lines take some microseconds, next to nothing beside the products of
/// a token.
/// </remarks>
internal static unsafe class PackedRows
{
    /// <param name="feature">Which output feature's row.</param>
    /// <param name="row">[inFeatures], as products see them.</param>
    public static void Read(void* panels, WeightFormat format, int inFeatures, int feature, float* row)
    {
        var panel = (byte*)panels + (feature / Panels.Width * Panels.Bytes(inFeatures, format));
        var column = feature % Panels.Width;
        if (format == WeightFormat.Float32)
        {
            for (nint k = 0; k < inFeatures; k++)
                row[k] = ((float*)panel)[(k * Panels.Width) + column];
        }
        else if (format == WeightFormat.BFloat16)
        {
            for (nint k = 0; k < inFeatures; k++)
                row[k] = BFloat16.ToSingle(((ushort*)panel)[(k * Panels.Width) + column]);
        }
        else
        {
            ReadBlocks(panel + (column * sizeof(float)), panel + Int8Panels.ScaleBytes + column, inFeatures, row);
        }
    }

    private static void ReadBlocks(byte* scale, byte* number, int inFeatures, float* row)
    {
        for (nint k = 0; k < inFeatures; k += Int8Blocks.Terms)
        {
            var terms = Math.Min(Int8Blocks.Terms, inFeatures - k);
            for (nint i = 0; i < terms; i++)
                row[k + i] = (sbyte)number[i * Panels.Width] * *(float*)scale;
            scale += Int8Panels.BlockBytes;
            number += Int8Panels.BlockBytes;
        }
    }
}
