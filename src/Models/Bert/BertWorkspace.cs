using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>The intermediate values of one forward pass at a time, allocated once for the largest batch.</summary>
public sealed class BertWorkspace : IDisposable
{
    private readonly DeviceMemory _memory;
    private readonly int[] _rows;

    internal BertWorkspace(TensorBackend backend, BertConfig config, int maxTokens, int maxBranches)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxTokens, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBranches, 1);
        MaxTokens = maxTokens;
        MaxBranches = maxBranches;
        _memory = new(backend);
        Hidden = _memory.Allocate(maxTokens, config.Hidden);
        Sum = _memory.Allocate(maxTokens, config.Hidden);
        Context = _memory.Allocate(maxTokens, config.Hidden);
        Attention = _memory.Allocate(maxTokens, 3 * config.Hidden);
        Inner = _memory.Allocate(maxTokens, config.Inner);
        First = _memory.Allocate(maxBranches, config.Hidden);
        Pooled = _memory.Allocate(maxBranches, config.Hidden);
        Segments = new RowSegment[maxBranches];
        Tokens = _memory.AllocateIndices(TokenIds.Count * maxTokens);
        SequenceOffsets = _memory.AllocateIndices(maxTokens + 1);
        BranchOffsets = _memory.AllocateIndices(maxBranches + 1);
        BranchRows = _memory.AllocateIndices(maxTokens);
        OutputRows = _memory.AllocateIndices(maxTokens);
        OutputOffsets = _memory.AllocateIndices(maxBranches + 1);
        PoolerSpans = _memory.AllocateIndices(2 * maxBranches);
        OtherSpans = _memory.AllocateIndices(2 * maxBranches);
        _rows = new int[Math.Max(maxTokens, 2 * maxBranches)];
    }

    /// <summary>The most tokens of a batch, counted over its branches, and over its sequences.</summary>
    public int MaxTokens { get; }

    public int MaxBranches { get; }

    /// <summary>Bytes on the device.</summary>
    public long Bytes => _memory.Bytes;

    /// <summary>The last hidden states of a forward pass, [rows, hidden].</summary>
    /// <remarks>Of which tokens, <see cref="BertBatch.OutputOffsets"/> says. Valid until the next pass.</remarks>
    public Tensor Output { get; internal set; }

    internal Tensor Hidden { get; }

    internal Tensor Sum { get; }

    internal Tensor Context { get; }

    internal Tensor Attention { get; }

    internal Tensor Inner { get; }

    /// <summary>[CLS] of each branch that goes through the pooler.</summary>
    internal Tensor First { get; }

    /// <summary>The vector of each branch.</summary>
    internal Tensor Pooled { get; }

    internal RowSegment[] Segments { get; }

    /// <summary>The tokens of all sequences.</summary>
    internal IndexBuffer Tokens { get; }

    internal IndexBuffer SequenceOffsets { get; }

    internal IndexBuffer BranchOffsets { get; }

    /// <summary>The row of its sequence that each branch's row is copied from.</summary>
    internal IndexBuffer BranchRows { get; }

    /// <summary>The rows of branches whose last hidden state is wanted.</summary>
    internal IndexBuffer OutputRows { get; }

    /// <summary>Where those of each branch begin.</summary>
    internal IndexBuffer OutputOffsets { get; }

    /// <summary>The rows among those that are averaged for the pooler: [CLS] alone.</summary>
    internal IndexBuffer PoolerSpans { get; }

    /// <summary>The same of the branches behind those.</summary>
    internal IndexBuffer OtherSpans { get; }

    public void Dispose() => _memory.Dispose();

    /// <summary>Copies a batch's indices to the device, once for all layers.</summary>
    internal void WriteIndices(BertBatch batch)
    {
        Tokens.WriteTokens(batch.Tokens);
        SequenceOffsets.Write(batch.SequenceOffsets);
        BranchOffsets.Write(batch.BranchOffsets);
        OutputOffsets.Write(batch.OutputOffsets);
        var offsets = batch.SequenceOffsets;
        var at = 0;
        foreach (var branch in batch.Branches)
        {
            for (var row = offsets[branch.Sequence]; row < offsets[branch.Sequence + 1]; row++)
                _rows[at++] = row;
        }

        BranchRows.Write(_rows.AsSpan(0, at));
        WriteOutputs(batch);
    }

    /// <summary>Which rows the last layer computes, and which of them make each branch's vector.</summary>
    private void WriteOutputs(BertBatch batch)
    {
        var outputs = batch.OutputOffsets;
        for (var branch = 0; branch < batch.BranchCount; branch++)
        {
            for (var row = outputs[branch]; row < outputs[branch + 1]; row++)
                _rows[row] = batch.BranchOffsets[branch] + row - outputs[branch];
        }

        OutputRows.Write(_rows.AsSpan(0, outputs[^1]));
        for (var branch = 0; branch < batch.BranchCount; branch++)
        {
            _rows[2 * branch] = outputs[branch];
            _rows[(2 * branch) + 1] =
                batch.Branches[branch].Pooling == Pooling.Mean ? outputs[branch + 1] : outputs[branch] + 1;
        }

        PoolerSpans.Write(_rows.AsSpan(0, 2 * batch.PoolerCount));
        OtherSpans.Write(_rows.AsSpan(2 * batch.PoolerCount, 2 * (batch.BranchCount - batch.PoolerCount)));
    }
}
