using Serving.Tensors.Cpu.Kernels;
using Serving.Tensors.Cpu.Threading;

namespace Serving.Tensors.Cpu;

/// <summary>A linear layer, cut into blocks of rows by groups of panels.</summary>
internal unsafe struct LinearJob : IParallelJob
{
    public CpuKernels Kernels;
    public LinearArguments Arguments;

    /// <summary>Where each block begins, and the end of the last.</summary>
    public int* RowStarts;
    public int RowBlocks;
    public int PanelCount;
    public int PanelsPerItem;

    public readonly int PanelGroups => (PanelCount + PanelsPerItem - 1) / PanelsPerItem;

    public readonly int Items => RowBlocks * PanelGroups;

    public readonly void Execute(int item, int worker)
    {
        var block = item / PanelGroups;
        var firstPanel = item % PanelGroups * PanelsPerItem;
        var endPanel = Math.Min(firstPanel + PanelsPerItem, PanelCount);
        Kernels.Linear(Arguments, RowStarts[block], RowStarts[block + 1], firstPanel, endPanel);
    }
}

/// <summary>Attention, cut into heads of sequences.</summary>
internal unsafe struct AttentionJob : IParallelJob
{
    public CpuKernels Kernels;
    public AttentionArguments FirstHead;
    public int Heads;
    public int* QueryOffsets;
    public int* KeyOffsets;
    public float* Scratch;
    public nint ScratchFloatsPerWorker;

    public readonly void Execute(int item, int worker)
    {
        var head = OfHead(FirstHead, item, Heads, QueryOffsets, KeyOffsets);
        Kernels.Attention(head, Scratch + (worker * ScratchFloatsPerWorker));
    }

    /// <summary>The arguments of one head of one sequence, from those of the first head of the first.</summary>
    public static AttentionArguments OfHead(
        AttentionArguments head, int item, int heads, int* queryOffsets, int* keyOffsets)
    {
        var sequence = item / heads;
        var column = item % heads * head.HeadDim;
        var queryRow = queryOffsets[sequence];
        var keyRow = keyOffsets[sequence];
        head.Query += (queryRow * head.QueryStride) + column;
        head.Queries = queryOffsets[sequence + 1] - queryRow;
        head.Key += (keyRow * head.KeyStride) + column;
        head.Value += (keyRow * head.ValueStride) + column;
        head.Keys = keyOffsets[sequence + 1] - keyRow;
        head.Output += (queryRow * head.OutputStride) + column;
        head.Past = head.IsCausal ? head.Keys - head.Queries : head.Keys;
        if (head.Dropout.Rate > 0)
            head.Dropout = head.Dropout.OfHead(item);
        return head;
    }
}

/// <summary>A linear layer with an unpacked weight, cut into groups of rows.</summary>
internal unsafe struct ProjectJob : IParallelJob
{
    public CpuKernels Kernels;
    public float* X;
    public nint XStride;
    public float* Weight;
    public nint WeightStride;
    public float* Bias;
    public float* Output;
    public nint OutputStride;
    public int Rows;
    public int InFeatures;
    public int OutFeatures;
    public int RowsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var end = Math.Min((item + 1) * RowsPerItem, Rows);
        for (var row = item * RowsPerItem; row < end; row++)
        {
            for (var feature = 0; feature < OutFeatures; feature++)
            {
                var product = Kernels.Dot(X + (row * XStride), Weight + (feature * WeightStride), InFeatures);
                Output[(row * OutputStride) + feature] = product + (Bias == null ? 0f : Bias[feature]);
            }
        }
    }
}

/// <summary>Layer normalization, cut into groups of rows.</summary>
internal unsafe struct LayerNormJob : IParallelJob
{
    public CpuKernels Kernels;
    public float* X;
    public nint XStride;
    public float* Gamma;
    public float* Beta;
    public float Epsilon;
    public float* Output;
    public nint OutputStride;
    public int Rows;
    public int Columns;
    public int RowsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var end = Math.Min((item + 1) * RowsPerItem, Rows);
        for (var row = item * RowsPerItem; row < end; row++)
            Kernels.LayerNorm(X + (row * XStride), Gamma, Beta, Epsilon, Output + (row * OutputStride), Columns);
    }
}

/// <summary>Sums of embeddings, cut into groups of tokens.</summary>
internal unsafe struct EmbeddingJob : IParallelJob
{
    public CpuKernels Kernels;
    public float* Tokens;
    public nint TokenStride;
    public float* Positions;
    public nint PositionStride;
    public float* Types;
    public nint TypeStride;
    public TokenIds* Ids;
    public float* Output;
    public nint OutputStride;
    public int Rows;
    public int Columns;
    public int RowsPerItem;

    public readonly void Execute(int item, int worker)
    {
        var end = Math.Min((item + 1) * RowsPerItem, Rows);
        for (var row = item * RowsPerItem; row < end; row++)
        {
            var ids = Ids[row];
            Kernels.Sum(
                Tokens + (ids.Token * TokenStride),
                Positions + (ids.Position * PositionStride),
                Types + (ids.Type * TypeStride),
                Output + (row * OutputStride),
                Columns);
        }
    }
}

/// <summary>Means of rows, a span a thread.</summary>
internal unsafe struct MeanRowsJob : IParallelJob
{
    public CpuKernels Kernels;
    public MatrixRows X;

    /// <summary>Where each begins, and its end.</summary>
    public int* Spans;
    public MatrixRows Output;
    public int Columns;

    public readonly void Execute(int item, int worker)
    {
        var (begin, end) = (Spans[2 * item], Spans[(2 * item) + 1]);
        var mean = new Span<float>(Output[item], Columns);
        new ReadOnlySpan<float>(X[begin], Columns).CopyTo(mean);
        if (end - begin == 1)
            return;
        for (var row = begin + 1; row < end; row++)
            Kernels.AddTo(X[row], Output[item], Columns);
        foreach (ref var value in mean)
            value /= end - begin;
    }
}
