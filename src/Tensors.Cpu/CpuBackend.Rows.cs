namespace Serving.Tensors.Cpu;

/// <summary>Rows that are chosen by index: embeddings, gathering, and their gradients.</summary>
public sealed unsafe partial class CpuBackend
{
    private const int ColumnsPerItem = 64;

    public override void EmbeddingSum(
        Tensor tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Shapes.EmbeddingSum(tokens, positions, types, ids, output);
        var job = new EmbeddingJob
        {
            Kernels = _kernels,
            Tokens = Pointer(tokens),
            TokenStride = tokens.Stride,
            Positions = Pointer(positions),
            PositionStride = positions.Stride,
            Types = Pointer(types),
            TypeStride = types.Stride,
            Ids = (TokenIds*)Pointer(ids),
            Output = Pointer(output),
            OutputStride = output.Stride,
            Rows = output.Rows,
            Columns = output.Columns,
            RowsPerItem = RowsPerItem
        };
        _threads.Run(ref job, ItemCount(output.Rows));
    }

    public override void EmbeddingGradient(
        IndexBuffer ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient,
        Tensor typesGradient)
    {
        Shapes.EmbeddingGradient(ids, outputGradient, tokensGradient, positionsGradient, typesGradient);
        var job = new EmbeddingGradientJob
        {
            Kernels = _kernels,
            Ids = (TokenIds*)Pointer(ids),
            RowCount = outputGradient.Rows,
            OutputGradient = Rows(outputGradient),
            Tokens = Rows(tokensGradient),
            Positions = Rows(positionsGradient),
            Types = Rows(typesGradient),
            Columns = outputGradient.Columns,
            ColumnsPerItem = ColumnsPerItem
        };
        _threads.Run(ref job, (outputGradient.Columns + ColumnsPerItem - 1) / ColumnsPerItem);
    }

    public override void GatherRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.GatherRows(x, rows, output);
        var all = rows.Values;
        for (var i = 0; i < all.Length; i++)
        {
            new ReadOnlySpan<float>(Pointer(x) + ((nint)all[i] * x.Stride), x.Columns)
                .CopyTo(new Span<float>(Pointer(output) + ((nint)i * output.Stride), x.Columns));
        }
    }

    public override void MeanRows(Tensor x, IndexBuffer spans, Tensor output)
    {
        Shapes.MeanRows(x, spans, output);
        var job = new MeanRowsJob
        {
            Kernels = _kernels,
            X = Rows(x),
            Spans = Pointer(spans),
            Output = Rows(output),
            Columns = x.Columns
        };
        _threads.Run(ref job, output.Rows);
    }

    public override void MeanRowsGradient(Tensor outputGradient, IndexBuffer spans, Tensor xGradient)
    {
        Shapes.MeanRows(xGradient, spans, outputGradient);
        var job = new MeanRowsGradientJob
        {
            Kernels = _kernels,
            OutputGradient = Rows(outputGradient),
            Spans = Pointer(spans),
            SpanCount = outputGradient.Rows,
            XGradient = Rows(xGradient),
            Columns = xGradient.Columns,
            ColumnsPerItem = ColumnsPerItem
        };
        _threads.Run(ref job, (xGradient.Columns + ColumnsPerItem - 1) / ColumnsPerItem);
    }

    public override void ScatterAddRows(Tensor x, IndexBuffer rows, Tensor output)
    {
        Shapes.GatherRows(output, rows, x);
        var all = rows.Values;
        for (var i = 0; i < all.Length; i++)
        {
            _kernels.AddTo(
                Pointer(x) + ((nint)i * x.Stride), Pointer(output) + ((nint)all[i] * output.Stride), x.Columns);
        }
    }
}
