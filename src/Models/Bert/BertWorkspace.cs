using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>The intermediate values of one forward pass at a time, allocated once for the largest batch.</summary>
public sealed class BertWorkspace : IDisposable
{
    private readonly List<Tensor> _owned = [];
    private readonly List<IndexBuffer> _ownedIndices = [];
    private readonly int[] _rows;

    internal BertWorkspace(TensorBackend backend, BertConfig config, int maxTokens, int maxBranches)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBranches, 1);
        MaxTokens = maxTokens;
        MaxBranches = maxBranches;
        Tensor Own(int rows, int columns)
        {
            var tensor = backend.Allocate(rows, columns);
            _owned.Add(tensor);
            return tensor;
        }

        IndexBuffer OwnIndices(int capacity)
        {
            var indices = backend.AllocateIndices(capacity);
            _ownedIndices.Add(indices);
            return indices;
        }

        Hidden = Own(maxTokens, config.Hidden);
        Sum = Own(maxTokens, config.Hidden);
        Context = Own(maxTokens, config.Hidden);
        Attention = Own(maxTokens, 3 * config.Hidden);
        Inner = Own(maxTokens, config.Inner);
        First = Own(maxBranches, config.Hidden);
        FirstQuery = Own(maxBranches, config.Hidden);
        FirstContext = Own(maxBranches, config.Hidden);
        Pooled = Own(maxBranches, config.Hidden);
        Segments = new RowSegment[maxBranches];
        Tokens = OwnIndices(TokenIds.Count * maxTokens);
        SequenceOffsets = OwnIndices(maxTokens + 1);
        BranchOffsets = OwnIndices(maxBranches + 1);
        BranchRows = OwnIndices(maxTokens);
        FirstRows = OwnIndices(maxBranches);
        FirstOffsets = OwnIndices(maxBranches + 1);
        _rows = new int[Math.Max(maxTokens, maxBranches + 1)];
    }

    /// <summary>The most tokens of a batch, counted over its branches, and over its sequences.</summary>
    public int MaxTokens { get; }

    public int MaxBranches { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes =>
        _owned.Sum(tensor => tensor.Storage.Bytes) + _ownedIndices.Sum(indices => indices.Bytes);

    internal Tensor Hidden { get; }

    internal Tensor Sum { get; }

    internal Tensor Context { get; }

    internal Tensor Attention { get; }

    internal Tensor Inner { get; }

    // One row for each branch: its [CLS].
    internal Tensor First { get; }

    internal Tensor FirstQuery { get; }

    internal Tensor FirstContext { get; }

    internal Tensor Pooled { get; }

    internal RowSegment[] Segments { get; }

    /// <summary>The tokens of all sequences.</summary>
    internal IndexBuffer Tokens { get; }

    internal IndexBuffer SequenceOffsets { get; }

    internal IndexBuffer BranchOffsets { get; }

    /// <summary>The row of its sequence that each branch's row is copied from.</summary>
    internal IndexBuffer BranchRows { get; }

    /// <summary>Where each branch begins: its [CLS].</summary>
    internal IndexBuffer FirstRows { get; }

    /// <summary>0, 1, 2, ...: where each branch's one query begins in the last layer.</summary>
    internal IndexBuffer FirstOffsets { get; }

    public void Dispose()
    {
        foreach (var tensor in _owned)
            tensor.Dispose();
        foreach (var indices in _ownedIndices)
            indices.Dispose();
    }

    /// <summary>Copies a batch's indices to the device, once for all layers.</summary>
    internal void WriteIndices(BertBatch batch)
    {
        Tokens.WriteTokens(batch.Tokens);
        SequenceOffsets.Write(batch.SequenceOffsets);
        BranchOffsets.Write(batch.BranchOffsets);
        FirstRows.Write(batch.BranchOffsets[..batch.BranchCount]);
        var offsets = batch.SequenceOffsets;
        var at = 0;
        foreach (var (sequence, _) in batch.Branches)
        {
            for (var row = offsets[sequence]; row < offsets[sequence + 1]; row++)
                _rows[at++] = row;
        }

        BranchRows.Write(_rows.AsSpan(0, at));
        for (var branch = 0; branch <= batch.BranchCount; branch++)
            _rows[branch] = branch;
        FirstOffsets.Write(_rows.AsSpan(0, batch.BranchCount + 1));
    }
}
