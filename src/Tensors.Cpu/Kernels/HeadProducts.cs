namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Matrix products of one attention head, whose operands are small: on one thread, tile by tile.</summary>
internal static unsafe class HeadProducts<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Packs x for <see cref="TimesTransposed"/>: panels of 32 rows, panel[row / 32][column][32].</summary>
    /// <param name="panels">Room for whole panels; elements behind the last row keep their values.</param>
    public static void PackTransposed(float* x, nint stride, int rows, int columns, float* panels)
    {
        for (var first = 0; first < rows; first += Panels.Width)
        {
            var count = Math.Min(Panels.Width, rows - first);
            Transpose.Run(x + (first * stride), stride, count, columns, panels + ((nint)first * columns), Panels.Width);
        }
    }

    /// <summary>output = a bᵀ, where b was packed. Columns behind b's last row are arbitrary.</summary>
    /// <param name="rows">Rows of a.</param>
    /// <param name="terms">Columns of a and b.</param>
    public static void TimesTransposed(
        int rows, float* a, nint aStride, float* panels, int panelCount, int terms, float* output, nint outputStride)
    {
        for (var row = 0; row < rows; row += TSimd.MaxRows)
        {
            var count = Math.Min(TSimd.MaxRows, rows - row);
            for (var column = 0; column < panelCount * Panels.Width; column += 2 * TSimd.Count)
            {
                var panel = panels + ((nint)(column / Panels.Width) * Panels.Width * terms) + (column % Panels.Width);
                GemmTile<TSimd, TVec>.Run(
                    count, a + (row * aStride), aStride, new FloatSource<TSimd, TVec>(panel, Panels.Width),
                    terms, output + (row * outputStride) + column, outputStride, accumulate: false);
            }
        }
    }

    /// <summary>output = a b.</summary>
    /// <param name="columns">Of b and the output, a multiple of 32.</param>
    public static void Times(
        int rows, float* a, nint aStride, int terms, float* b, nint bStride, int columns, float* output,
        nint outputStride)
    {
        for (var row = 0; row < rows; row += TSimd.MaxRows)
        {
            var count = Math.Min(TSimd.MaxRows, rows - row);
            for (var column = 0; column < columns; column += 2 * TSimd.Count)
            {
                GemmTile<TSimd, TVec>.Run(
                    count, a + (row * aStride), aStride, new FloatSource<TSimd, TVec>(b + column, bStride), terms,
                    output + (row * outputStride) + column, outputStride, accumulate: false);
            }
        }
    }

    public static void CopyRows(
        float* source, nint sourceStride, float* destination, nint stride, int rows, int columns)
    {
        for (var row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + (row * sourceStride), columns)
                .CopyTo(new Span<float>(destination + (row * stride), columns));
        }
    }
}
