using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu;

/// <summary>Attention and its gradients.</summary>
public sealed unsafe partial class CpuBackend
{
    public override void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        Tensor output) =>
        Attention(
            query, queryOffsets, key, value, keyOffsets, heads, AttentionKind.Bidirectional, dropout: default, output);

    public override void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        AttentionKind kind,
        Dropout dropout,
        Tensor output)
    {
        var mostKeys = Shapes.Attention(
            query, queryOffsets, key, value, keyOffsets, heads, kind, dropout, output);
        var scratchFloats = OddCacheLines(_kernels.AttentionScratchFloats(mostKeys, query.Columns / heads));
        lock (_scratchGate)
        {
            var job = new AttentionJob
            {
                Kernels = _kernels,
                FirstHead = FirstHead(query, key, value, heads, kind, dropout, output),
                Heads = heads,
                QueryOffsets = Pointer(queryOffsets),
                KeyOffsets = Pointer(keyOffsets),
                Scratch = Scratch(scratchFloats * Threads),
                ScratchFloatsPerWorker = scratchFloats
            };
            _threads.Run(ref job, (queryOffsets.Values.Length - 1) * heads);
        }
    }

    public override void AttentionGradient(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        AttentionKind kind,
        Dropout dropout,
        Tensor outputGradient,
        Tensor queryGradient,
        Tensor keyGradient,
        Tensor valueGradient)
    {
        var mostKeys = Shapes.Attention(
            query, queryOffsets, key, value, keyOffsets, heads, kind, dropout, outputGradient);
        Shapes.Alike(nameof(AttentionGradient), query, queryGradient);
        Shapes.Alike(nameof(AttentionGradient), key, keyGradient);
        Shapes.Alike(nameof(AttentionGradient), value, valueGradient);
        var mostQueries = 0;
        var offsets = queryOffsets.Values;
        for (var i = 1; i < offsets.Length; i++)
            mostQueries = Math.Max(mostQueries, offsets[i] - offsets[i - 1]);
        var scratchFloats = OddCacheLines(
            _kernels.AttentionGradientScratchFloats(mostQueries, mostKeys, query.Columns / heads));
        lock (_scratchGate)
        {
            var job = new AttentionGradientJob
            {
                Kernels = _kernels,
                FirstHead = new()
                {
                    Forward = FirstHead(query, key, value, heads, kind, dropout, outputGradient),
                    QueryGradient = Pointer(queryGradient),
                    QueryGradientStride = queryGradient.Stride,
                    KeyGradient = Pointer(keyGradient),
                    KeyGradientStride = keyGradient.Stride,
                    ValueGradient = Pointer(valueGradient),
                    ValueGradientStride = valueGradient.Stride
                },
                Heads = heads,
                QueryOffsets = Pointer(queryOffsets),
                KeyOffsets = Pointer(keyOffsets),
                Scratch = Scratch(scratchFloats * Threads),
                ScratchFloatsPerWorker = scratchFloats
            };
            _threads.Run(ref job, (offsets.Length - 1) * heads);
        }
    }

    private static AttentionArguments FirstHead(
        Tensor query, Tensor key, Tensor value, int heads, AttentionKind kind, Dropout dropout, Tensor output) => new()
        {
            Query = Pointer(query),
            QueryStride = query.Stride,
            Key = Pointer(key),
            KeyStride = key.Stride,
            Value = Pointer(value),
            ValueStride = value.Stride,
            HeadDim = query.Columns / heads,
            Output = Pointer(output),
            OutputStride = output.Stride,
            IsCausal = kind == AttentionKind.Causal,
            Dropout = dropout
        };
}
