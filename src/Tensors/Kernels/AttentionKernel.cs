namespace Serving.Tensors.Kernels;

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
        PackKeys(job, transposed);

        // A head narrower than its panels would read and write its neighbours: it goes through padded copies.
        var narrow = job.HeadDim % Panels.Width != 0;
        var value = job.Value;
        var valueStride = job.ValueStride;
        var tile = rest;
        if (narrow)
        {
            value = rest;
            valueStride = dimPanels * Panels.Width;
            tile = rest + (job.Keys * valueStride);
            CopyRows(job.Value, job.ValueStride, value, valueStride, job.Keys, job.HeadDim);
        }

        var scale = 1f / MathF.Sqrt(job.HeadDim);
        for (var row = 0; row < job.Queries; row += TSimd.MaxRows)
        {
            var rows = Math.Min(TSimd.MaxRows, job.Queries - row);
            Score(job, row, rows, transposed, keyPanels, scores);
            for (var r = 0; r < rows; r++)
            {
                var rowScores = scores + (r * ScoreStride(paddedKeys));
                new Span<float>(rowScores + job.Keys, paddedKeys - job.Keys).Fill(float.NegativeInfinity);
                RowKernels<TSimd, TVec>.Softmax(rowScores, scale, paddedKeys);
            }

            var output = narrow ? tile : job.Output + (row * job.OutputStride);
            var outputStride = narrow ? valueStride : job.OutputStride;
            Mix(job, rows, scores, ScoreStride(paddedKeys), value, valueStride, dimPanels, output, outputStride);
            if (narrow)
                CopyRows(tile, valueStride, job.Output + (row * job.OutputStride), job.OutputStride, rows, job.HeadDim);
        }
    }

    // An odd number of cache lines: rows of a tile then fall into different sets.
    private static nint ScoreStride(int paddedKeys) => paddedKeys + 16;

    private static void PackKeys(in AttentionArguments job, float* transposed)
    {
        for (var first = 0; first < job.Keys; first += Panels.Width)
        {
            var count = Math.Min(Panels.Width, job.Keys - first);
            var panel = transposed + ((nint)first * job.HeadDim);
            Transpose.Run(job.Key + (first * job.KeyStride), job.KeyStride, count, job.HeadDim, panel, Panels.Width);
        }
    }

    private static void Score(
        in AttentionArguments job, int row, int rows, float* transposed, int keyPanels, float* scores)
    {
        var query = job.Query + (row * job.QueryStride);
        var stride = ScoreStride(keyPanels * Panels.Width);
        for (var panel = 0; panel < keyPanels; panel++)
        {
            for (var column = 0; column < Panels.Width; column += 2 * TSimd.Count)
            {
                var w = transposed + ((nint)panel * Panels.Width * job.HeadDim) + column;
                var output = scores + (panel * Panels.Width) + column;
                var source = new PanelSource<TSimd, TVec>(w);
                GemmTile<TSimd, TVec>.Run(
                    rows, query, job.QueryStride, source, job.HeadDim, output, stride, accumulate: false);
            }
        }
    }

    private static void Mix(
        in AttentionArguments job,
        int rows,
        float* scores,
        nint scoreStride,
        float* value,
        nint valueStride,
        int dimPanels,
        float* output,
        nint outputStride)
    {
        for (var column = 0; column < dimPanels * Panels.Width; column += 2 * TSimd.Count)
        {
            var source = new FloatSource<TSimd, TVec>(value + column, valueStride);
            GemmTile<TSimd, TVec>.Run(
                rows, scores, scoreStride, source, job.Keys, output + column, outputStride, accumulate: false);
        }
    }

    private static void CopyRows(float* source, nint sourceStride, float* destination, nint stride, int rows, int columns)
    {
        for (var row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + (row * sourceStride), columns)
                .CopyTo(new Span<float>(destination + (row * stride), columns));
        }
    }
}
