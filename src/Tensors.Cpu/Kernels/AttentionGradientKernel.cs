namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Gradients of one head of one sequence.</summary>
internal unsafe struct AttentionGradientArguments
{
    /// <summary>The arguments of the forward pass; its output is the incoming gradient.</summary>
    public AttentionArguments Forward;
    public float* QueryGradient;
    public nint QueryGradientStride;
    public float* KeyGradient;
    public nint KeyGradientStride;
    public float* ValueGradient;
    public nint ValueGradientStride;
}

/// <summary>Backward pass of softmax(Q Kᵀ / √headDim) V with dropout; the weights P are computed again.</summary>
/// <remarks>
/// dV = dropout(P)ᵀ dO; dP = dropout(dO Vᵀ); dS = P ⊙ (dP - rowsum(dP ⊙ P)) / √headDim; dQ = dS K; dK = dSᵀ Q.
/// </remarks>
internal static unsafe class AttentionGradientKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <summary>Floats of scratch memory that <see cref="Run"/> needs.</summary>
    public static long ScratchFloats(int queries, int keys, int headDim) => new Layout(queries, keys, headDim).Floats;

    public static void Run(in AttentionGradientArguments job, float* scratch)
    {
        ref readonly var head = ref job.Forward;
        var layout = new Layout(head.Queries, head.Keys, head.HeadDim);
        var weights = scratch + layout.Weights;
        var gradient = scratch + layout.Gradient;
        AttentionKernel<TSimd, TVec>.Weigh(
            head with { Dropout = default }, scratch + layout.Packed, weights, layout.ScoreStride);

        // The gradient of the weights that are multiplied with V.
        HeadProducts<TSimd, TVec>.PackTransposed(
            head.Value, head.ValueStride, head.Keys, head.HeadDim, scratch + layout.Packed);
        for (var row = 0; row < head.Queries; row += TSimd.MaxRows)
        {
            var rows = Math.Min(TSimd.MaxRows, head.Queries - row);
            HeadProducts<TSimd, TVec>.TimesTransposed(
                rows, head.Output + (row * head.OutputStride), head.OutputStride, scratch + layout.Packed,
                Panels.Count(head.KeysOf(row + rows - 1)), head.HeadDim, gradient + (row * layout.ScoreStride),
                layout.ScoreStride);
        }

        for (var row = 0; row < head.Queries; row++)
        {
            SoftmaxGradient(
                head, row, weights + (row * layout.ScoreStride), gradient + (row * layout.ScoreStride),
                layout.PaddedKeys);
        }

        var key = Padded(head.Key, head.KeyStride, head.Keys, head.HeadDim, scratch + layout.Rows, out var stride);
        for (var row = 0; row < head.Queries; row += TSimd.MaxRows)
        {
            var rows = Math.Min(TSimd.MaxRows, head.Queries - row);
            Times(
                rows, gradient + (row * layout.ScoreStride), layout.ScoreStride, head.KeysOf(row + rows - 1), key,
                stride, head.HeadDim, scratch + layout.Tile, job.QueryGradient + (row * job.QueryGradientStride),
                job.QueryGradientStride);
        }

        var transposed = scratch + layout.Transposed;
        Transpose.Run(gradient, layout.ScoreStride, head.Queries, head.Keys, transposed, layout.QueryStride);
        var query = Padded(head.Query, head.QueryStride, head.Queries, head.HeadDim, scratch + layout.Rows, out stride);
        TimesOfKeys(
            head, transposed, layout.QueryStride, query, stride, scratch + layout.Tile, job.KeyGradient,
            job.KeyGradientStride);

        Transpose.Run(weights, layout.ScoreStride, head.Queries, head.Keys, transposed, layout.QueryStride);
        var output = Padded(
            head.Output, head.OutputStride, head.Queries, head.HeadDim, scratch + layout.Rows, out stride);
        TimesOfKeys(
            head, transposed, layout.QueryStride, output, stride, scratch + layout.Tile, job.ValueGradient,
            job.ValueGradientStride);
    }

    /// <summary>output = a b, where a row of a belongs to a key, a term to a query.</summary>
    private static void TimesOfKeys(
        in AttentionArguments head, float* a, nint aStride, float* b, nint bStride, float* tile, float* output,
        nint outputStride)
    {
        for (var row = 0; row < head.Keys; row += TSimd.MaxRows)
        {
            var first = head.FirstQueryOf(row);
            Times(
                Math.Min(TSimd.MaxRows, head.Keys - row), a + (row * aStride) + first, aStride, head.Queries - first,
                b + (first * bStride), bStride, head.HeadDim, tile, output + (row * outputStride), outputStride);
        }
    }

    /// <summary>Turns a row of weights' gradient into that of its scores; applies dropout to the weights.</summary>
    private static void SoftmaxGradient(
        in AttentionArguments head, int row, float* weights, float* gradient, int paddedKeys)
    {
        // Behind the last key that the query sees there are no values.
        var keys = head.KeysOf(row);
        new Span<float>(gradient + keys, paddedKeys - keys).Clear();
        if (head.Dropout.Rate > 0)
            DropoutKernel<TSimd, TVec>.Run(gradient, row, paddedKeys, head.Dropout, residual: null, gradient);
        var sum = TSimd.Create(RowKernels<TSimd, TVec>.Dot(weights, gradient, paddedKeys));
        var scale = TSimd.Create(1f / MathF.Sqrt(head.HeadDim));
        for (var i = 0; i < paddedKeys; i += TSimd.Count)
        {
            var slope = TSimd.Multiply(TSimd.Subtract(TSimd.Load(gradient + i), sum), TSimd.Load(weights + i));
            TSimd.Store(gradient + i, TSimd.Multiply(slope, scale));
        }

        if (head.Dropout.Rate > 0)
            DropoutKernel<TSimd, TVec>.Run(weights, row, paddedKeys, head.Dropout, residual: null, weights);
    }

    /// <summary>Rows as wide as whole panels: x, or a padded copy, since products read whole panels.</summary>
    private static float* Padded(float* x, nint xStride, int rows, int headDim, float* copy, out nint stride)
    {
        if (headDim % Panels.Width == 0)
        {
            stride = xStride;
            return x;
        }

        stride = Panels.Count(headDim) * Panels.Width;
        HeadProducts<TSimd, TVec>.CopyRows(x, xStride, copy, stride, rows, headDim);
        return copy;
    }

    /// <summary>output = a b, through a tile where b is wider than the head.</summary>
    private static void Times(
        int rows, float* a, nint aStride, int terms, float* b, nint bStride, int headDim, float* tile, float* output,
        nint outputStride)
    {
        var columns = Panels.Count(headDim) * Panels.Width;
        if (columns == headDim)
        {
            HeadProducts<TSimd, TVec>.Times(rows, a, aStride, terms, b, bStride, columns, output, outputStride);
            return;
        }

        HeadProducts<TSimd, TVec>.Times(rows, a, aStride, terms, b, bStride, columns, tile, columns);
        HeadProducts<TSimd, TVec>.CopyRows(tile, columns, output, outputStride, rows, headDim);
    }

    /// <summary>The layout of the scratch memory.</summary>
    private readonly struct Layout
    {
        public readonly int PaddedKeys;
        public readonly nint ScoreStride;
        public readonly nint QueryStride;
        public readonly nint Packed;
        public readonly nint Weights;
        public readonly nint Gradient;
        public readonly nint Transposed;
        public readonly nint Rows;
        public readonly nint Tile;
        public readonly long Floats;

        public Layout(int queries, int keys, int headDim)
        {
            const int cacheLine = 16; // Strides are an odd number of cache lines.
            PaddedKeys = Panels.Count(keys) * Panels.Width;
            ScoreStride = PaddedKeys + cacheLine;
            QueryStride = (Panels.Count(queries) * Panels.Width) + cacheLine;
            var paddedDim = (nint)Panels.Count(headDim) * Panels.Width;
            var rows = Math.Max(queries, keys);
            Packed = 0;
            Weights = Packed + ((nint)PaddedKeys * headDim);
            Gradient = Weights + (queries * ScoreStride);
            Transposed = Gradient + (queries * ScoreStride);
            Rows = Transposed + (PaddedKeys * QueryStride);
            Tile = Rows + (rows * paddedDim);
            Floats = Tile + (rows * paddedDim);
        }
    }
}
