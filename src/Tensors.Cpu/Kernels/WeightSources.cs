using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Float weights, rows of k lie `stride` floats apart.</summary>
internal readonly unsafe struct FloatSource<TSimd, TVec>(float* weights, nint stride) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly float* _weights = weights;
    private readonly nint _stride = stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(nint k, out TVec first, out TVec second)
    {
        var row = _weights + (k * _stride);
        first = TSimd.Load(row);
        second = TSimd.Load(row + TSimd.Count);
    }
}

/// <summary>Float weights of a panel.</summary>
internal readonly unsafe struct PanelSource<TSimd, TVec>(float* weights) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly float* _weights = weights;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(nint k, out TVec first, out TVec second)
    {
        first = TSimd.Load(_weights + (k * Panels.Width));
        second = TSimd.Load(_weights + (k * Panels.Width) + TSimd.Count);
    }
}

/// <summary>Float weights of a panel through a mask.</summary>
internal readonly unsafe struct MaskedPanelSource<TSimd, TVec>(float* weights, uint* bits, int column)
    : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly float* _weights = weights;
    private readonly uint* _bits = bits;
    private readonly int _column = column;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(nint k, out TVec first, out TVec second) =>
        TSimd.LoadMasked(_weights + (k * Panels.Width), _bits + k, _column, out first, out second);
}

/// <summary>bfloat16 weights of a panel.</summary>
internal readonly unsafe struct BFloat16PanelSource<TSimd, TVec>(ushort* weights) : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly ushort* _weights = weights;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(nint k, out TVec first, out TVec second) =>
        TSimd.LoadWidened(_weights + (k * Panels.Width), out first, out second);
}

/// <summary>bfloat16 weights of a panel through a mask.</summary>
internal readonly unsafe struct MaskedBFloat16PanelSource<TSimd, TVec>(ushort* weights, uint* bits, int column)
    : IWeightSource<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly ushort* _weights = weights;
    private readonly uint* _bits = bits;
    private readonly int _column = column;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(nint k, out TVec first, out TVec second) =>
        TSimd.LoadMasked(_weights + (k * Panels.Width), _bits + k, _column, out first, out second);
}

/// <summary>Weights of another source; prefetches the memory that is read next, some bytes for each k.</summary>
internal readonly unsafe struct PrefetchingSource<TVec, TSource>(TSource source, void* next, nint bytesPerTerm)
    : IWeightSource<TVec>
    where TVec : struct
    where TSource : struct, IWeightSource<TVec>
{
    private readonly TSource _source = source;
    private readonly byte* _next = (byte*)next;
    private readonly nint _bytesPerTerm = bytesPerTerm;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Load(nint k, out TVec first, out TVec second)
    {
        Cache.Prefetch(_next + (k * _bytesPerTerm));
        _source.Load(k, out first, out second);
    }
}
