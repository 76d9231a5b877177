using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Float weights, rows of k lie `stride` floats apart.</summary>
internal unsafe struct FloatSource<TSimd, TVec>(float* weights, nint stride) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private float* _weights = weights;
    private readonly nint _stride = stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        first = TSimd.Load(_weights);
        second = TSimd.Load(_weights + TSimd.Count);
        _weights += _stride;
    }
}

/// <summary>Float weights of a panel through a mask.</summary>
internal unsafe struct MaskedPanelSource<TSimd, TVec>(float* weights, uint* bits, int column)
    : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private float* _weights = weights;
    private uint* _bits = bits;
    private readonly int _column = column;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        TSimd.LoadMasked(_weights, _bits, _column, out first, out second);
        _weights += Panels.Width;
        _bits++;
    }
}

/// <summary>bfloat16 weights of a panel.</summary>
internal unsafe struct BFloat16PanelSource<TSimd, TVec>(ushort* weights) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private ushort* _weights = weights;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        TSimd.LoadWidened(_weights, out first, out second);
        _weights += Panels.Width;
    }
}

/// <summary>bfloat16 weights of a panel through a mask.</summary>
internal unsafe struct MaskedBFloat16PanelSource<TSimd, TVec>(ushort* weights, uint* bits, int column)
    : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private ushort* _weights = weights;
    private uint* _bits = bits;
    private readonly int _column = column;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        TSimd.LoadMasked(_weights, _bits, _column, out first, out second);
        _weights += Panels.Width;
        _bits++;
    }
}

/// <summary>Weights of another source; prefetches the memory that is read next, some bytes for each k.</summary>
internal unsafe struct PrefetchingSource<TVec, TSource>(TSource source, void* next, nint bytesPerTerm)
    : IWeightSource<TVec>
    where TVec : struct
    where TSource : struct, IWeightSource<TVec>
{
    private TSource _source = source;
    private byte* _next = (byte*)next;
    private readonly nint _bytesPerTerm = bytesPerTerm;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Next(out TVec first, out TVec second)
    {
        Cache.Prefetch(_next);
        _next += _bytesPerTerm;
        _source.Next(out first, out second);
    }
}
