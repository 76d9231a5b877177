using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Panels of int8: panel[out / 32][in / 64], blocks of 32 scales and, behind them, numbers [64][32].</summary>
/// <remarks>
/// Scales lie among the weights, so that a product reads one stream. 2176 bytes are 34 cache lines. What pads the last
/// block and the last panel is zero.
/// </remarks>
internal static unsafe class Int8Panels
{
    public const int ScaleBytes = Panels.Width * sizeof(float);

    public const int BlockBytes = ScaleBytes + (Panels.Width * Int8Blocks.Terms);

    /// <summary>Puts rows of weights into their panels; see <see cref="Panels.PackWeight"/>.</summary>
    /// <exception cref="NotFiniteNumberException">A weight is NaN or infinite.</exception>
    public static void PackWeight(float* source, nint stride, int firstRow, int rows, int inFeatures, byte* panels)
    {
        var numbers = stackalloc sbyte[Int8Blocks.Terms];
        for (var row = 0; row < rows; row++)
        {
            var feature = firstRow + row;
            var column = feature % Panels.Width;
            var block = panels + (feature / Panels.Width * Panels.Bytes(inFeatures, WeightFormat.Int8));
            for (var k = 0; k < inFeatures; k += Int8Blocks.Terms, block += BlockBytes)
            {
                var terms = Math.Min(Int8Blocks.Terms, inFeatures - k);
                ((float*)block)[column] = Int8Blocks.Quantize(
                    new(source + (row * stride) + k, terms), new(numbers, terms));
                var values = (sbyte*)block + ScaleBytes + column;
                for (var i = 0; i < terms; i++)
                    values[i * Panels.Width] = numbers[i];
            }
        }
    }
}

/// <summary>int8 weights of a panel, times their scales.</summary>
/// <param name="block">Where they begin.</param>
/// <param name="column">Which column of the panel is the tile's first.</param>
/// <remarks>Scales are read again for each k: a tile of most rows leaves no registers for them.</remarks>
internal unsafe struct Int8PanelSource<TSimd, TVec>(byte* block, int column) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private float* _scales = (float*)block + column;
    private sbyte* _numbers = (sbyte*)block + Int8Panels.ScaleBytes + column;
    private sbyte* _end = (sbyte*)block + Int8Panels.BlockBytes + column;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        if (_numbers == _end)
        {
            _scales = (float*)((byte*)_scales + Int8Panels.BlockBytes);
            _numbers += Int8Panels.ScaleBytes;
            _end += Int8Panels.BlockBytes;
        }

        TSimd.LoadWidened(_numbers, out first, out second);
        first = TSimd.Multiply(first, TSimd.Load(_scales));
        second = TSimd.Multiply(second, TSimd.Load(_scales + TSimd.Count));
        _numbers += Panels.Width;
    }
}

/// <summary>int8 weights of a panel, times their scales, through a mask.</summary>
internal unsafe struct MaskedInt8PanelSource<TSimd, TVec>(byte* block, uint* bits, int column) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly int _column = column;
    private Int8PanelSource<TSimd, TVec> _weights = new(block, column);
    private uint* _bits = bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        _weights.Next(out first, out second);
        TSimd.Keep(_bits, _column, ref first, ref second);
        _bits++;
    }
}
