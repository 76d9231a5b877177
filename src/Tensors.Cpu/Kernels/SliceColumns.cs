using System.Runtime.CompilerServices;

namespace Serving.Tensors.Cpu.Kernels;

/// <summary>What is done with weights, whatever they are made of.</summary>
internal interface IWeightUse<TVec>
    where TVec : struct
{
    void Use<TSource>(TSource source)
        where TSource : struct, IWeightSource<TVec>;
}

/// <summary>The weights of a slice in a tile's columns, through a mask or plain.</summary>
internal readonly unsafe struct SliceColumns
{
    private readonly byte* _weights;
    private readonly uint* _words;
    private readonly WeightFormat _format;
    private readonly int _column;

    /// <param name="bits">The mask's words; null for all weights.</param>
    /// <param name="column">Which column of the panel is the tile's first.</param>
    public SliceColumns(in LinearArguments job, Slice slice, uint* bits, int column)
    {
        _weights = job.Weights(slice);
        _words = bits == null ? null : bits + ((nint)slice.Panel * job.InFeatures) + slice.K;
        _format = job.Format;
        _column = column;
    }

    /// <summary>Whether the weights lie one after another as tiles read them, and need nothing done to them.</summary>
    /// <param name="tileColumns">Columns of a tile.</param>
    public bool AreReady(int tileColumns) =>
        _format == WeightFormat.Float32 && _words == null && tileColumns == Panels.Width;

    /// <param name="use">By reference: to copy what was just written would wait for every store before it.</param>
    public void Supply<TSimd, TVec, TUse>(ref TUse use)
        where TSimd : struct, ISimd<TVec>
        where TVec : struct
        where TUse : struct, IWeightUse<TVec>
    {
        if (_format == WeightFormat.Int8)
        {
            if (_words == null)
                use.Use(new Int8PanelSource<TSimd, TVec>(_weights, _column));
            else
                use.Use(new MaskedInt8PanelSource<TSimd, TVec>(_weights, _words, _column));
        }
        else if (_format == WeightFormat.Float32)
        {
            var weights = (float*)_weights + _column;
            if (_words == null)
                use.Use(new FloatSource<TSimd, TVec>(weights, Panels.Width));
            else
                use.Use(new MaskedPanelSource<TSimd, TVec>(weights, _words, _column));
        }
        else
        {
            var weights = (ushort*)_weights + _column;
            if (_words == null)
                use.Use(new BFloat16PanelSource<TSimd, TVec>(weights));
            else
                use.Use(new MaskedBFloat16PanelSource<TSimd, TVec>(weights, _words, _column));
        }
    }
}

/// <summary>Puts weights one after another, masked and widened, for many tiles to read.</summary>
/// <param name="ready">Room for `terms` times two vectors.</param>
internal readonly unsafe struct WeightCopy<TSimd, TVec>(float* ready, int terms) : IWeightUse<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly float* _ready = ready;
    private readonly int _terms = terms;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Use<TSource>(TSource source)
        where TSource : struct, IWeightSource<TVec>
    {
        var at = _ready;
        for (var k = _terms; k > 0; k--)
        {
            source.Next(out var first, out var second);
            TSimd.Store(at, first);
            TSimd.Store(at + TSimd.Count, second);
            at += 2 * TSimd.Count;
        }
    }
}

/// <summary>Multiplies a tile of rows with weights.</summary>
/// <param name="output">The tile's first element; rows lie `stride` floats apart.</param>
internal readonly unsafe struct TileProduct<TSimd, TVec>(
    in LinearArguments job, int row, int rows, Slice slice, float* output, nint stride, Ahead ahead)
    : IWeightUse<TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    private readonly float* _x = job.X + (row * job.XStride) + slice.K;
    private readonly nint _xStride = job.XStride;
    private readonly int _rows = rows;
    private readonly int _terms = slice.Terms;
    private readonly float* _output = output;
    private readonly nint _stride = stride;
    private readonly bool _accumulate = job.Accumulate || slice.K != 0;
    private readonly Ahead _ahead = ahead;

    public void Use<TSource>(TSource source)
        where TSource : struct, IWeightSource<TVec>
    {
        if (_ahead.Address == null)
        {
            GemmTile<TSimd, TVec>.Run(_rows, _x, _xStride, source, _terms, _output, _stride, _accumulate);
            return;
        }

        var fetching = new PrefetchingSource<TVec, TSource>(source, _ahead.Address, _ahead.BytesPerTerm);
        GemmTile<TSimd, TVec>.Run(_rows, _x, _xStride, fetching, _terms, _output, _stride, _accumulate);
    }
}
