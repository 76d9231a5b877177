namespace Serving.Tensors.Cpu.Kernels;

/// <summary>Causal attention of one head of one sequence over its blocks of keys and values, over raw memory.</summary>
internal unsafe struct CachedAttentionArguments
{
    public float* Query;
    public nint QueryStride;
    public int Queries;

    /// <summary>The head's columns of all blocks.</summary>
    public float* Keys;
    public nint KeyStride;
    public float* Values;
    public nint ValueStride;

    /// <summary>The sequence's blocks.</summary>
    public int* Blocks;
    public int BlockRows;

    /// <summary>How many keys lie before that of the first query.</summary>
    public int Past;
    public int HeadDim;
    public float* Output;
    public nint OutputStride;
}

/// <summary>softmax(q Kᵀ / √headDim) V for each query, over the keys up to its own.</summary>
/// <remarks>
/// One query at a time, with sums in the order of the keys: the result does not depend on how many queries come with
/// it. A step of decoding has one query, so reading keys and values is what it costs.
/// </remarks>
internal static unsafe class CachedAttentionKernel<TSimd, TVec>
    where TSimd : struct, ISimd<TVec>
    where TVec : struct
{
    /// <param name="scores">Room for the keys of the last query, rounded up to 16.</param>
    public static void Run(in CachedAttentionArguments job, float* scores)
    {
        var scale = 1f / MathF.Sqrt(job.HeadDim);
        for (var i = 0; i < job.Queries; i++)
        {
            var keys = job.Past + i + 1;
            var padded = (keys + TSimd.Count - 1) / TSimd.Count * TSimd.Count;
            Score(job, job.Query + (i * job.QueryStride), keys, scores);
            new Span<float>(scores + keys, padded - keys).Fill(float.NegativeInfinity);
            RowKernels<TSimd, TVec>.Softmax(scores, scale, padded);
            Weigh(job, scores, keys, job.Output + (i * job.OutputStride));
        }
    }

    private static void Score(in CachedAttentionArguments job, float* query, int keys, float* scores)
    {
        for (var first = 0; first < keys; first += job.BlockRows)
        {
            var key = job.Keys + ((nint)job.Blocks[first / job.BlockRows] * job.BlockRows * job.KeyStride);
            var end = Math.Min(first + job.BlockRows, keys);
            for (var j = first; j < end; j++, key += job.KeyStride)
                scores[j] = RowKernels<TSimd, TVec>.Dot(query, key, job.HeadDim);
        }
    }

    /// <summary>output = Σ weight * value, some columns at a time.</summary>
    private static void Weigh(in CachedAttentionArguments job, float* weights, int keys, float* output)
    {
        var column = 0;
        for (; column <= job.HeadDim - (4 * TSimd.Count); column += 4 * TSimd.Count)
            WeighFour(job, weights, keys, column, output + column);
        for (; column <= job.HeadDim - TSimd.Count; column += TSimd.Count)
            WeighOne(job, weights, keys, column, output + column);
        for (; column < job.HeadDim; column++)
        {
            var sum = 0f;
            for (var j = 0; j < keys; j++)
                sum = SimdScalar.MultiplyAdd(weights[j], Value(job, j)[column], sum);
            output[column] = sum;
        }
    }

    private static void WeighFour(
        in CachedAttentionArguments job, float* weights, int keys, int column, float* output)
    {
        var (a, b, c, d) = (TSimd.Create(0f), TSimd.Create(0f), TSimd.Create(0f), TSimd.Create(0f));
        for (var first = 0; first < keys; first += job.BlockRows)
        {
            var value = Value(job, first) + column;
            var end = Math.Min(first + job.BlockRows, keys);
            for (var j = first; j < end; j++, value += job.ValueStride)
            {
                var weight = TSimd.Create(weights[j]);
                a = TSimd.MultiplyAdd(weight, TSimd.Load(value), a);
                b = TSimd.MultiplyAdd(weight, TSimd.Load(value + TSimd.Count), b);
                c = TSimd.MultiplyAdd(weight, TSimd.Load(value + (2 * TSimd.Count)), c);
                d = TSimd.MultiplyAdd(weight, TSimd.Load(value + (3 * TSimd.Count)), d);
            }
        }

        TSimd.Store(output, a);
        TSimd.Store(output + TSimd.Count, b);
        TSimd.Store(output + (2 * TSimd.Count), c);
        TSimd.Store(output + (3 * TSimd.Count), d);
    }

    private static void WeighOne(
        in CachedAttentionArguments job, float* weights, int keys, int column, float* output)
    {
        var sum = TSimd.Create(0f);
        for (var first = 0; first < keys; first += job.BlockRows)
        {
            var value = Value(job, first) + column;
            var end = Math.Min(first + job.BlockRows, keys);
            for (var j = first; j < end; j++, value += job.ValueStride)
                sum = TSimd.MultiplyAdd(TSimd.Create(weights[j]), TSimd.Load(value), sum);
        }

        TSimd.Store(output, sum);
    }

    private static float* Value(in CachedAttentionArguments job, int key)
    {
        var row = ((nint)job.Blocks[key / job.BlockRows] * job.BlockRows) + (key % job.BlockRows);
        return job.Values + (row * job.ValueStride);
    }
}
