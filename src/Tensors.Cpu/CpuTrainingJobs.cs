using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>A matrix in memory.</summary>
internal readonly unsafe struct MatrixRows(float* pointer, nint stride)
{
    private readonly float* _pointer = pointer;
    private readonly nint _stride = stride;

    public bool IsNone => _pointer == null;

    /// <summary>Where a row begins; null if there is no matrix.</summary>
    public float* this[int row] => _pointer == null ? null : _pointer + (row * _stride);
}

/// <summary>A product's right operand on its way into panels, cut into panels and groups of terms.</summary>
internal struct PackJob : IParallelJob
{
    public CpuKernels Kernels;
    public OperandArguments Operand;
    public int TermsPerItem;

    /// <summary>Groups of terms of a panel.</summary>
    public readonly int Parts => (Operand.Terms + TermsPerItem - 1) / TermsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var k = item % Parts * TermsPerItem;
        Kernels.PackOperand(Operand, new(item / Parts, k, Math.Min(TermsPerItem, Operand.Terms - k)));
    }
}

/// <summary>A transposition, cut into squares that stay in the cache.</summary>
internal unsafe struct TransposeJob : IParallelJob
{
    private const int Block = 64;

    public float* Source;
    public nint SourceStride;
    public int Rows;
    public int Columns;
    public float* Destination;
    public nint DestinationStride;

    public readonly int Items => ColumnBlocks * ((Rows + Block - 1) / Block);

    private readonly int ColumnBlocks => (Columns + Block - 1) / Block;

    public readonly void Execute(int item, int worker)
    {
        var row = item / ColumnBlocks * Block;
        var column = item % ColumnBlocks * Block;
        Transpose.Run(
            Source + (row * SourceStride) + column, SourceStride, Math.Min(Block, Rows - row),
            Math.Min(Block, Columns - column),
            Destination + (column * DestinationStride) + row, DestinationStride);
    }
}

/// <summary>What a <see cref="RowsJob"/> does with each row.</summary>
internal enum RowsKind
{
    Apply,
    DropoutAdd,
    SoftmaxCrossEntropy,
    Adam,
    SumOfSquares,
    Fill
}

/// <summary>Work on independent rows, cut into groups of rows.</summary>
internal unsafe struct RowsJob : IParallelJob
{
    public CpuKernels Kernels;
    public RowsKind Kind;
    public MatrixRows A;
    public MatrixRows B;
    public MatrixRows C;
    public MatrixRows Output;
    public int RowCount;
    public int Columns;
    public int RowsPerItem;
    public Elementwise Function;
    public Dropout Dropout;
    public AdamStep Step;
    public float Scale;
    public int* Labels;
    public double* Sums;

    public readonly void Execute(int item, int worker)
    {
        var end = Math.Min((item + 1) * RowsPerItem, RowCount);
        for (var row = item * RowsPerItem; row < end; row++)
            Execute(row);
    }

    private readonly void Execute(int row)
    {
        switch (Kind)
        {
            case RowsKind.Apply:
                Kernels.Apply(Function, A[row], B[row], Output[row], Columns);
                break;
            case RowsKind.DropoutAdd:
                Kernels.DropoutAdd(A[row], row, Columns, Dropout, B[row], Output[row]);
                break;
            case RowsKind.SoftmaxCrossEntropy:
                Sums[row] = Kernels.SoftmaxCrossEntropy(A[row], Labels[row], Scale, Output[row], Columns);
                break;
            case RowsKind.Adam:
                Kernels.Adam(Output[row], A[row], B[row], C[row], Step, Columns);
                break;
            case RowsKind.SumOfSquares:
                Sums[row] = Kernels.SumOfSquares(A[row], Columns);
                break;
            default:
                new Span<float>(Output[row], Columns).Fill(Scale);
                break;
        }
    }
}

/// <summary>Gradients of layer normalization, cut into groups of rows with their own sums for gamma and beta.</summary>
internal unsafe struct LayerNormGradientJob : IParallelJob
{
    public CpuKernels Kernels;
    public MatrixRows X;
    public float* Gamma;
    public float Epsilon;
    public MatrixRows OutputGradient;
    public MatrixRows XGradient;

    /// <summary>Two rows for each group: the sums for gamma and for beta. Null if nobody needs them.</summary>
    public float* Partial;
    public nint PartialStride;
    public int RowCount;
    public int Columns;
    public int RowsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var gamma = Partial == null ? null : Partial + (2 * item * PartialStride);
        var beta = Partial == null ? null : gamma + PartialStride;
        if (Partial != null)
        {
            new Span<float>(gamma, Columns).Clear();
            new Span<float>(beta, Columns).Clear();
        }

        var end = Math.Min((item + 1) * RowsPerItem, RowCount);
        for (var row = item * RowsPerItem; row < end; row++)
        {
            Kernels.LayerNormGradient(
                X[row], Gamma, Epsilon, OutputGradient[row], gamma, beta, XGradient[row], Columns);
        }
    }
}

/// <summary>Sums of rows, cut into groups of rows.</summary>
internal unsafe struct AddRowsJob : IParallelJob
{
    public CpuKernels Kernels;
    public MatrixRows X;
    public int RowCount;
    public int Columns;
    public float* Partial;
    public nint PartialStride;
    public int RowsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var sum = Partial + (item * PartialStride);
        new Span<float>(sum, Columns).Clear();
        var end = Math.Min((item + 1) * RowsPerItem, RowCount);
        for (var row = item * RowsPerItem; row < end; row++)
            Kernels.AddTo(X[row], sum, Columns);
    }
}

/// <summary>Gradients of attention, cut into heads of sequences.</summary>
internal unsafe struct AttentionGradientJob : IParallelJob
{
    public CpuKernels Kernels;
    public AttentionGradientArguments FirstHead;
    public int Heads;
    public int* QueryOffsets;
    public int* KeyOffsets;
    public float* Scratch;
    public nint ScratchFloatsPerWorker;

    public readonly void Execute(int item, int worker)
    {
        var head = FirstHead;
        head.Forward = AttentionJob.OfHead(FirstHead.Forward, item, Heads, QueryOffsets, KeyOffsets);
        var column = item % Heads * head.Forward.HeadDim;
        var queryRow = QueryOffsets[item / Heads];
        var keyRow = KeyOffsets[item / Heads];
        head.QueryGradient += (queryRow * head.QueryGradientStride) + column;
        head.KeyGradient += (keyRow * head.KeyGradientStride) + column;
        head.ValueGradient += (keyRow * head.ValueGradientStride) + column;
        if (head.Forward.Queries > 0)
        {
            Kernels.AttentionGradient(head, Scratch + (worker * ScratchFloatsPerWorker));
            return;
        }

        for (var row = 0; row < head.Forward.Keys; row++) // Nobody looked at them.
        {
            new Span<float>(head.KeyGradient + (row * head.KeyGradientStride), head.Forward.HeadDim).Clear();
            new Span<float>(head.ValueGradient + (row * head.ValueGradientStride), head.Forward.HeadDim).Clear();
        }
    }
}

/// <summary>Gradients of embeddings, cut into groups of columns: tokens may repeat, so a thread has columns.</summary>
internal unsafe struct EmbeddingGradientJob : IParallelJob
{
    public CpuKernels Kernels;
    public TokenIds* Ids;
    public int RowCount;
    public MatrixRows OutputGradient;
    public MatrixRows Tokens;
    public MatrixRows Positions;
    public MatrixRows Types;
    public int Columns;
    public int ColumnsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var column = item * ColumnsPerItem;
        var columns = Math.Min(ColumnsPerItem, Columns - column);
        for (var row = 0; row < RowCount; row++)
        {
            var gradient = OutputGradient[row] + column;
            var ids = Ids[row];
            Kernels.AddTo(gradient, Tokens[ids.Token] + column, columns);
            Kernels.AddTo(gradient, Positions[ids.Position] + column, columns);
            if (!Types.IsNone)
                Kernels.AddTo(gradient, Types[ids.Type] + column, columns);
        }
    }
}

/// <summary>Gradients of means of rows, cut into groups of columns, since spans may overlap.</summary>
internal unsafe struct MeanRowsGradientJob : IParallelJob
{
    public CpuKernels Kernels;
    public MatrixRows OutputGradient;

    /// <summary>Where each begins, and its end.</summary>
    public int* Spans;
    public int SpanCount;
    public MatrixRows XGradient;
    public int Columns;
    public int ColumnsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var column = item * ColumnsPerItem;
        var columns = Math.Min(ColumnsPerItem, Columns - column);
        var share = stackalloc float[columns];
        for (var i = 0; i < SpanCount; i++)
        {
            var (begin, end) = (Spans[2 * i], Spans[(2 * i) + 1]);
            var gradient = OutputGradient[i] + column;
            for (var j = 0; j < columns; j++)
                share[j] = gradient[j] / (end - begin);
            for (var row = begin; row < end; row++)
                Kernels.AddTo(share, XGradient[row] + column, columns);
        }
    }
}
