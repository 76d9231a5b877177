using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Transposes a block of floats.</summary>
internal static unsafe class Transpose
{
    /// <summary>destination[column, row] = source[row, column].</summary>
    /// <param name="sourceStride">Floats between rows of the source.</param>
    /// <param name="destinationStride">Floats between rows of the destination.</param>
    public static void Run(
        float* source, nint sourceStride, int rows, int columns, float* destination, nint destinationStride)
    {
        var row = 0;
        var wholeColumns = Sse.IsSupported ? columns & ~3 : 0;
        for (; wholeColumns > 0 && row <= rows - 4; row += 4)
        {
            for (var column = 0; column < wholeColumns; column += 4)
            {
                Run4X4(
                    source + (row * sourceStride) + column, sourceStride,
                    destination + (column * destinationStride) + row, destinationStride);
            }

            Scalar(source, sourceStride, row, row + 4, wholeColumns, columns, destination, destinationStride);
        }

        Scalar(source, sourceStride, row, rows, 0, columns, destination, destinationStride);
    }

    private static void Scalar(
        float* source, nint sourceStride, int row, int rowEnd, int column, int columnEnd, float* destination,
        nint stride)
    {
        for (var r = row; r < rowEnd; r++)
        {
            for (var c = column; c < columnEnd; c++)
                destination[(c * stride) + r] = source[(r * sourceStride) + c];
        }
    }

    private static void Run4X4(float* source, nint sourceStride, float* destination, nint stride)
    {
        var a = Vector128.Load(source);
        var b = Vector128.Load(source + sourceStride);
        var c = Vector128.Load(source + (2 * sourceStride));
        var d = Vector128.Load(source + (3 * sourceStride));
        var lowAb = Sse.UnpackLow(a, b); // a0 b0 a1 b1
        var lowCd = Sse.UnpackLow(c, d);
        var highAb = Sse.UnpackHigh(a, b); // a2 b2 a3 b3
        var highCd = Sse.UnpackHigh(c, d);
        Sse.MoveLowToHigh(lowAb, lowCd).Store(destination);
        Sse.MoveHighToLow(lowCd, lowAb).Store(destination + stride);
        Sse.MoveLowToHigh(highAb, highCd).Store(destination + (2 * stride));
        Sse.MoveHighToLow(highCd, highAb).Store(destination + (3 * stride));
    }
}
