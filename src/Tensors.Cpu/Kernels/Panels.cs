using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>The layout of packed weights and masks: panels of 32 output features, panel[out / 32][in][32].</summary>
/// <remarks>
/// A panel's mask has one 32-bit word for each k, bit j for output feature 32 * panel + j. The last panel is padded
/// with zeros.
/// </remarks>
internal static unsafe class Panels
{
    public const int Width = 32;

    public static int Count(int outFeatures) => (outFeatures + Width - 1) / Width;

    /// <summary>Bytes of some terms of a panel; those of int8 are whole blocks.</summary>
    public static nint Bytes(int terms, WeightFormat format) => format switch
    {
        WeightFormat.Float32 => (nint)terms * Width * sizeof(float),
        WeightFormat.BFloat16 => (nint)terms * Width * sizeof(ushort),
        _ => (nint)Int8Blocks.Count(terms) * Int8Panels.BlockBytes
    };

    /// <summary>Puts rows of weights into their panels.</summary>
    /// <param name="source">[rows, inFeatures], rows lie `stride` floats apart.</param>
    /// <param name="panels">In the format's type.</param>
    /// <param name="firstRow">The output feature of the first row.</param>
    public static void PackWeight(
        float* source, nint stride, int firstRow, int rows, int inFeatures, void* panels, WeightFormat format)
    {
        if (format == WeightFormat.Int8)
        {
            Int8Panels.PackWeight(source, stride, firstRow, rows, inFeatures, (byte*)panels);
            return;
        }

        for (var row = 0; row < rows; row++)
        {
            var feature = firstRow + row;
            var at = ((nint)(feature / Width) * inFeatures * Width) + (feature % Width);
            var values = source + (row * stride);
            if (format == WeightFormat.Float32)
            {
                var panel = (float*)panels + at;
                for (nint k = 0; k < inFeatures; k++)
                    panel[k * Width] = values[k];
            }
            else
            {
                var panel = (ushort*)panels + at;
                for (nint k = 0; k < inFeatures; k++)
                    panel[k * Width] = BFloat16.FromSingle(values[k]);
            }
        }
    }

    /// <summary>Puts a part of a product's right operand into its panel; elements not kept become +0.</summary>
    /// <param name="part">Which panel, and which of its terms.</param>
    public static void PackOperand<TSimd, TVec>(in OperandArguments operand, Slice part)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        var panel = operand.Panels + ((((nint)part.Panel * operand.Terms) + part.K) * Width);
        var column = part.Panel * Width;
        var columns = Math.Min(Width, operand.Columns - column);
        if (columns < Width)
            new Span<float>(panel, part.Terms * Width).Clear();
        if (operand.IsTransposed)
            PackTransposed<TSimd, TVec>(operand, column, columns, part, panel);
        else
            PackRows<TSimd, TVec>(operand, column, columns, part, panel);
    }

    private static void PackRows<TSimd, TVec>(
        in OperandArguments operand, int column, int columns, Slice part, float* panel)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        for (var k = 0; k < part.Terms; k++)
        {
            var at = ((nint)(part.K + k) * operand.Stride) + column;
            var scores =
                operand.Scores == null ? null : operand.Scores + ((nint)(part.K + k) * operand.ScoresStride) + column;
            ElementKernels<TSimd, TVec>.Keep(
                operand.Values + at, scores, operand.Threshold, panel + (k * Width), columns);
        }
    }

    private static void PackTransposed<TSimd, TVec>(
        in OperandArguments operand, int column, int columns, Slice part, float* panel)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
    {
        const int blockTerms = 64;
        var kept = stackalloc float[Width * blockTerms];
        for (var k = 0; k < part.Terms; k += blockTerms)
        {
            var terms = Math.Min(blockTerms, part.Terms - k);
            var values = operand.Values + ((nint)column * operand.Stride) + part.K + k;
            var stride = operand.Stride;
            if (operand.Scores != null)
            {
                for (var row = 0; row < columns; row++)
                {
                    var scores = operand.Scores + ((nint)(column + row) * operand.ScoresStride) + part.K + k;
                    ElementKernels<TSimd, TVec>.Keep(
                        values + (row * stride), scores, operand.Threshold, kept + (row * blockTerms), terms);
                }

                values = kept;
                stride = blockTerms;
            }

            Kernels.Transpose.Run(values, stride, columns, terms, panel + ((nint)k * Width), Width);
        }
    }

    /// <summary>Puts row-major bits into their panels' words. The words' other bits stay.</summary>
    public static void PackMask(ReadOnlySpan<byte> bits, int firstRow, int rows, int inFeatures, uint* panels)
    {
        var block = stackalloc uint[Width];
        for (var row = 0; row < rows;)
        {
            var lane = (firstRow + row) % Width;
            var count = Math.Min(Width - lane, rows - row);
            var words = panels + ((nint)((firstRow + row) / Width) * inFeatures);
            var lanes = Ones(count) << lane;
            var done = count == Width && inFeatures % 8 == 0
                ? PackWholePanel(bits[(row * (inFeatures / 8))..], inFeatures, words)
                : 0;
            for (var k = done; k < inFeatures; k += Width)
            {
                new Span<uint>(block, Width).Clear();
                var columns = Math.Min(Width, inFeatures - k);
                for (var j = 0; j < count; j++)
                    block[lane + j] = ReadBits(bits, ((long)(row + j) * inFeatures) + k, columns);
                Transpose(block);
                for (var j = 0; j < columns; j++)
                    words[k + j] = (words[k + j] & ~lanes) | block[j];
            }

            row += count;
        }
    }

    /// <summary>The inverse of <see cref="PackMask"/>.</summary>
    public static void UnpackMask(uint* panels, int firstRow, int rows, int inFeatures, Span<byte> bits)
    {
        bits.Clear();
        var block = stackalloc uint[Width];
        for (var row = 0; row < rows;)
        {
            var lane = (firstRow + row) % Width;
            var count = Math.Min(Width - lane, rows - row);
            var words = panels + ((nint)((firstRow + row) / Width) * inFeatures);
            for (var k = 0; k < inFeatures; k += Width)
            {
                new Span<uint>(block, Width).Clear();
                var columns = Math.Min(Width, inFeatures - k);
                for (var j = 0; j < columns; j++)
                    block[j] = words[k + j];
                Transpose(block);
                for (var j = 0; j < count; j++)
                    OrBits(bits, ((long)(row + j) * inFeatures) + k, block[lane + j] & Ones(columns));
            }

            row += count;
        }
    }

    /// <summary>Packs 32 rows, 64 columns at a time: bytes into columns, then a bit of 32 bytes into a word.</summary>
    /// <returns>How many columns are done.</returns>
    private static int PackWholePanel(ReadOnlySpan<byte> bits, int inFeatures, uint* words)
    {
        const int columns = 64;
        var bytes = stackalloc byte[columns / 8 * Width];
        var rowBytes = inFeatures / 8;
        var done = 0;
        for (; done <= inFeatures - columns; done += columns)
        {
            for (var row = 0; row < Width; row++)
            {
                var value = MemoryMarshal.Read<ulong>(bits[((row * rowBytes) + (done / 8))..]);
                for (var i = 0; i < columns / 8; i++)
                    bytes[(i * Width) + row] = (byte)(value >> (8 * i));
            }

            for (var i = 0; i < columns / 8; i++)
            {
                var column = Vector256.Load(bytes + (i * Width));
                for (var bit = 7; bit >= 0; bit--)
                {
                    words[done + (8 * i) + bit] = column.ExtractMostSignificantBits();
                    column += column; // The next lower bit of each byte moves to the top.
                }
            }
        }

        return done;
    }

    private static uint Ones(int count) => count == Width ? uint.MaxValue : (1u << count) - 1;

    private static uint ReadBits(ReadOnlySpan<byte> bits, long first, int count)
    {
        var index = (int)(first / 8);
        ulong window = 0;
        if (index + sizeof(ulong) <= bits.Length)
        {
            window = BitConverter.ToUInt64(bits[index..]);
        }
        else
        {
            for (var i = bits.Length - 1; i >= index; i--)
                window = (window << 8) | bits[i];
        }

        return (uint)(window >> (int)(first % 8)) & Ones(count);
    }

    private static void OrBits(Span<byte> bits, long first, uint value)
    {
        var window = (ulong)value << (int)(first % 8);
        for (var index = (int)(first / 8); window != 0; index++)
        {
            bits[index] |= (byte)window;
            window >>= 8;
        }
    }

    /// <summary>Transposes 32 x 32 bits in place: swaps halves, then quarters, down to single bits.</summary>
    private static void Transpose(uint* rows)
    {
        var mask = 0x0000FFFFu;
        for (var half = Width / 2; half != 0; half >>= 1, mask ^= mask << half)
        {
            for (var row = 0; row < Width; row = (row + half + 1) & ~half)
            {
                var swap = ((rows[row] >> half) ^ rows[row + half]) & mask;
                rows[row] ^= swap << half;
                rows[row + half] ^= swap;
            }
        }
    }
}

/// <summary>The right operand of a product on its way into panels.</summary>
internal unsafe struct OperandArguments
{
    /// <summary>[columns, terms] if it is taken transposed, else [terms, columns].</summary>
    public float* Values;
    public nint Stride;
    public bool IsTransposed;
    public int Terms;
    public int Columns;

    /// <summary>Shaped like the values; null keeps all.</summary>
    public float* Scores;
    public nint ScoresStride;
    public float Threshold;

    public float* Panels;
}
