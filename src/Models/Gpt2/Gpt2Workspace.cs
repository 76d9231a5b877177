using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>That of a GPT-2.</summary>
public sealed class Gpt2Workspace : DecoderWorkspace
{
    private readonly DeviceMemory _memory;
    private readonly int[] _values;

    internal Gpt2Workspace(TensorBackend backend, Gpt2Config config, DecoderLimits limits)
        : base(limits)
    {
        _memory = new(backend);
        var (tokens, hidden) = (limits.Tokens, config.Hidden);
        Hidden = _memory.Allocate(tokens, hidden);
        Sum = _memory.Allocate(tokens, hidden);
        Normal = _memory.Allocate(tokens, hidden);
        Attention = _memory.Allocate(tokens, 3 * hidden);
        Context = _memory.Allocate(tokens, hidden);
        Inner = _memory.Allocate(tokens, config.Inner);
        Selected = _memory.Allocate(limits.LogitRows, hidden);
        Logits = _memory.Allocate(limits.LogitRows, config.Vocab);
        Tokens = _memory.AllocateIndices(TokenIds.Count * tokens);
        Offsets = _memory.AllocateIndices(limits.Sequences + 1);
        CacheRows = _memory.AllocateIndices(tokens);
        Blocks = _memory.AllocateIndices(limits.Blocks);
        BlockOffsets = _memory.AllocateIndices(limits.Sequences + 1);
        Counts = _memory.AllocateIndices(limits.Sequences);
        LogitRows = _memory.AllocateIndices(limits.LogitRows);
        _values = new int[Math.Max(Math.Max(tokens, limits.Blocks), limits.Sequences + 1)];
    }

    public override long Bytes => _memory.Bytes;

    internal Tensor Hidden { get; }

    internal Tensor Sum { get; }

    internal Tensor Normal { get; }

    internal Tensor Attention { get; }

    internal Tensor Context { get; }

    internal Tensor Inner { get; }

    internal Tensor Selected { get; }

    internal Tensor Logits { get; }

    internal IndexBuffer Tokens { get; }

    internal IndexBuffer Offsets { get; }

    /// <summary>Where the keys and values of each token go.</summary>
    internal IndexBuffer CacheRows { get; }

    internal IndexBuffer Blocks { get; }

    internal IndexBuffer BlockOffsets { get; }

    /// <summary>Tokens of each sequence, those of the batch among them.</summary>
    internal IndexBuffer Counts { get; }

    internal IndexBuffer LogitRows { get; }

    public override void Dispose() => _memory.Dispose();

    /// <summary>Copies a batch's indices to the device, once for all layers.</summary>
    internal void WriteIndices(DecoderBatch batch)
    {
        Tokens.WriteTokens(batch.Tokens);
        Offsets.Write(batch.Offsets);
        LogitRows.Write(batch.Rows);
        WriteCacheRows(batch);
        WriteBlocks(batch);
        for (var i = 0; i < batch.SequenceCount; i++)
            _values[i] = batch.Sequences[i].Tokens + batch.Offsets[i + 1] - batch.Offsets[i];
        Counts.Write(_values.AsSpan(0, batch.SequenceCount));
    }

    private void WriteCacheRows(DecoderBatch batch)
    {
        for (var i = 0; i < batch.SequenceCount; i++)
        {
            var blocks = batch.Sequences[i].Blocks;
            for (var row = batch.Offsets[i]; row < batch.Offsets[i + 1]; row++)
            {
                var position = batch.Tokens[row].Position;
                _values[row] = (blocks[position / KeyValueCache.BlockTokens] * KeyValueCache.BlockTokens)
                    + (position % KeyValueCache.BlockTokens);
            }
        }

        CacheRows.Write(_values.AsSpan(0, batch.TokenCount));
    }

    private void WriteBlocks(DecoderBatch batch)
    {
        var at = 0;
        foreach (var sequence in batch.Sequences)
        {
            for (var i = 0; i < sequence.Blocks.Count; i++)
                _values[at++] = sequence.Blocks[i];
        }

        Blocks.Write(_values.AsSpan(0, at));
        _values[0] = at = 0;
        for (var i = 0; i < batch.SequenceCount; i++)
            _values[i + 1] = at += batch.Sequences[i].Blocks.Count;
        BlockOffsets.Write(_values.AsSpan(0, batch.SequenceCount + 1));
    }
}
