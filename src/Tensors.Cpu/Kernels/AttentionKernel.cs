namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Attention of one head of one sequence, over raw memory.</summary>
internal unsafe struct AttentionArguments
{
    public float* Query;
    public nint QueryStride;
    public int Queries;
    public float* Key;
    public nint KeyStride;
    public float* Value;
    public nint ValueStride;
    public int Keys;
    public int HeadDim;
    public float* Output;
    public nint OutputStride;

    /// <summary>The index of the first query among the head's.</summary>
    public int FirstQuery;

    public bool IsCausal;

    /// <summary>How many keys lie before that of the first query; all of them unless it is causal.</summary>
    public int Past;

    /// <summary>Dropout of the attention weights, with this head's key.</summary>
    public Dropout Dropout;

    /// <summary>How many keys a query sees, the first ones.</summary>
    public readonly int KeysOf(int query) => Math.Min(Keys, Past + query + 1);

    /// <summary>The first query that sees a key.</summary>
    public readonly int FirstQueryOf(int key) => Math.Max(0, key - Past);
}

/// <summary>softmax(Q Kᵀ / √headDim) V, a few queries at a time; K is transposed once into panels.</summary>
internal static unsafe class AttentionKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Floats of scratch memory that <see cref="Run"/> needs.</summary>
    public static long ScratchFloats(int keys, int headDim)
    {
        var paddedKeys = Panels.Count(keys) * Panels.Width;
        var paddedDim = Panels.Count(headDim) * Panels.Width;
        return ((long)paddedKeys * headDim) + (TSimd.MaxRows * ScoreStride(paddedKeys))
            + ((long)keys * paddedDim) + (TSimd.MaxRows * paddedDim);
    }

    public static void Run(in AttentionArguments job, float* scratch)
    {
        var keyPanels = Panels.Count(job.Keys);
        var paddedKeys = keyPanels * Panels.Width;
        var dimPanels = Panels.Count(job.HeadDim);
        var transposed = scratch;
        var scores = transposed + ((nint)paddedKeys * job.HeadDim);
        var rest = scores + (TSimd.MaxRows * ScoreStride(paddedKeys));
        HeadProducts<TSimd, TVec>.PackTransposed(job.Key, job.KeyStride, job.Keys, job.HeadDim, transposed);

        // A head narrower than its panels would read and write its neighbours, so it uses padded copies.
        var narrow = job.HeadDim % Panels.Width != 0;
        var value = job.Value;
        var valueStride = job.ValueStride;
        var tile = rest;
        if (narrow)
        {
            value = rest;
            valueStride = dimPanels * Panels.Width;
            tile = rest + (job.Keys * valueStride);
            HeadProducts<TSimd, TVec>.CopyRows(job.Value, job.ValueStride, value, valueStride, job.Keys, job.HeadDim);
        }

        for (var row = 0; row < job.Queries; row += TSimd.MaxRows)
        {
            var rows = Math.Min(TSimd.MaxRows, job.Queries - row);
            WeighPacked(Tile(job, row, rows), transposed, scores, ScoreStride(paddedKeys));
            var output = narrow ? tile : job.Output + (row * job.OutputStride);
            var outputStride = narrow ? valueStride : job.OutputStride;
            HeadProducts<TSimd, TVec>.Times(
                rows, scores, ScoreStride(paddedKeys), job.KeysOf(row + rows - 1), value, valueStride,
                dimPanels * Panels.Width, output, outputStride);
            if (narrow)
            {
                HeadProducts<TSimd, TVec>.CopyRows(
                    tile, valueStride, job.Output + (row * job.OutputStride), job.OutputStride, rows, job.HeadDim);
            }
        }
    }

    // An odd number of cache lines: rows of a tile then fall into different sets.
    private static nint ScoreStride(int paddedKeys) => paddedKeys + 16;

    /// <summary>The attention weights of all queries, 0 behind the last key that a query sees.</summary>
    /// <param name="packed">Room for the keys, packed.</param>
    /// <param name="weights">[queries, keys padded to whole panels], rows lie `stride` floats apart.</param>
    public static void Weigh(in AttentionArguments job, float* packed, float* weights, nint stride)
    {
        HeadProducts<TSimd, TVec>.PackTransposed(job.Key, job.KeyStride, job.Keys, job.HeadDim, packed);
        for (var row = 0; row < job.Queries; row += TSimd.MaxRows)
        {
            var rows = Math.Min(TSimd.MaxRows, job.Queries - row);
            WeighPacked(Tile(job, row, rows), packed, weights + (row * stride), stride);
        }
    }

    private static AttentionArguments Tile(in AttentionArguments job, int row, int rows) =>
        job with { Query = job.Query + (row * job.QueryStride), Queries = rows, FirstQuery = row };

    /// <summary>Those of a tile of queries; panels that none of them sees are not multiplied with.</summary>
    private static void WeighPacked(in AttentionArguments job, float* packed, float* weights, nint stride)
    {
        var paddedKeys = Panels.Count(job.Keys) * Panels.Width;
        var seenPanels = Panels.Count(job.KeysOf(job.FirstQuery + job.Queries - 1));
        var paddedSeen = seenPanels * Panels.Width;
        HeadProducts<TSimd, TVec>.TimesTransposed(
            job.Queries, job.Query, job.QueryStride, packed, seenPanels, job.HeadDim, weights, stride);
        for (var row = 0; row < job.Queries; row++)
        {
            var ofRow = weights + (row * stride);
            var keys = job.KeysOf(job.FirstQuery + row);
            new Span<float>(ofRow + keys, paddedSeen - keys).Fill(float.NegativeInfinity);
            RowKernels<TSimd, TVec>.Softmax(ofRow, 1f / MathF.Sqrt(job.HeadDim), paddedSeen);
            new Span<float>(ofRow + paddedSeen, paddedKeys - paddedSeen).Clear();
            if (job.Dropout.Rate > 0)
            {
                DropoutKernel<TSimd, TVec>.Run(
                    ofRow, job.FirstQuery + row, paddedKeys, job.Dropout, residual: null, ofRow);
            }
        }
    }
}
