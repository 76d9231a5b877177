using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>What decoders need beside the rest.</summary>
public sealed unsafe partial class CpuBackend
{
    public override void EmbeddingSum(
        PackedWeight tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        var job = new PackedEmbeddingJob
        {
            Kernels = _kernels,
            Tokens = ((CpuPackedWeight)tokens).Panels,
            Format = tokens.Format,
            Positions = new(Pointer(positions), positions.Stride),
            Types = new(Pointer(types), types.Stride),
            Ids = (TokenIds*)Pointer(ids),
            Output = new(Pointer(output), output.Stride),
            Columns = output.Columns
        };
        _threads.Run(ref job, output.Rows);
    }

    public override void ScatterRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.ScatterRows(x, rows, output);
        var all = rows.Values;
        for (var i = 0; i < all.Length; i++)
        {
            new ReadOnlySpan<float>(Pointer(x) + ((nint)i * x.Stride), x.Columns)
                .CopyTo(new Span<float>(Pointer(output) + ((nint)all[i] * output.Stride), x.Columns));
        }
    }

    public override void CachedAttention(
        Tensor query, IndexBuffer queryOffsets, in CachedKeys cache, int heads, Tensor output)
    {
        var mostKeys = Shapes.CachedAttention(query, queryOffsets, cache, heads, output);
        var scratchFloats = OddCacheLines(mostKeys);
        lock (_scratchGate)
        {
            var job = new CachedAttentionJob
            {
                Kernels = _kernels,
                FirstHead = new()
                {
                    Query = Pointer(query),
                    QueryStride = query.Stride,
                    Keys = Pointer(cache.Keys),
                    KeyStride = cache.Keys.Stride,
                    Values = Pointer(cache.Values),
                    ValueStride = cache.Values.Stride,
                    BlockRows = cache.BlockRows,
                    HeadDim = query.Columns / heads,
                    Output = Pointer(output),
                    OutputStride = output.Stride
                },
                Heads = heads,
                QueryOffsets = Pointer(queryOffsets),
                Blocks = Pointer(cache.Blocks),
                BlockOffsets = Pointer(cache.BlockOffsets),
                Counts = Pointer(cache.Counts),
                Scratch = Scratch(scratchFloats * Threads),
                ScratchFloatsPerWorker = scratchFloats
            };
            _threads.Run(ref job, (queryOffsets.Values.Length - 1) * heads);
        }
    }

    /// <summary>Sums of embeddings out of a packed table, a token a time.</summary>
    private struct PackedEmbeddingJob : IParallelJob
    {
        public CpuKernels Kernels;
        public void* Tokens;
        public WeightFormat Format;
        public MatrixRows Positions;
        public MatrixRows Types;
        public TokenIds* Ids;
        public MatrixRows Output;
        public int Columns;

        public readonly void Execute(int item, int worker)
        {
            var ids = Ids[item];
            PackedRows.Read(Tokens, Format, Columns, ids.Token, Output[item]);
            Kernels.Sum(Output[item], Positions[ids.Position], Types[ids.Type], Output[item], Columns);
        }
    }

    /// <summary>Attention over cached keys, cut into heads of sequences.</summary>
    private struct CachedAttentionJob : IParallelJob
    {
        public CpuKernels Kernels;
        public CachedAttentionArguments FirstHead;
        public int Heads;
        public int* QueryOffsets;
        public int* Blocks;
        public int* BlockOffsets;
        public int* Counts;
        public float* Scratch;
        public nint ScratchFloatsPerWorker;

        public readonly void Execute(int item, int worker)
        {
            var sequence = item / Heads;
            var head = FirstHead;
            var column = item % Heads * head.HeadDim;
            var queryRow = QueryOffsets[sequence];
            head.Query += (queryRow * head.QueryStride) + column;
            head.Queries = QueryOffsets[sequence + 1] - queryRow;
            head.Keys += column;
            head.Values += column;
            head.Blocks = Blocks + BlockOffsets[sequence];
            head.Past = Counts[sequence] - head.Queries;
            head.Output += (queryRow * head.OutputStride) + column;
            Kernels.CachedAttention(head, Scratch + (worker * ScratchFloatsPerWorker));
        }
    }
}
