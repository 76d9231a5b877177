using Serving.Decoding;
using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Inference.Generation;

/// <summary>Runs a step: the planned tokens of its sequences in one forward pass.</summary>
/// <remarks>Allocates nothing on the managed heap but what sequences give to their readers.</remarks>
internal sealed class StepRunner : IDisposable
{
    private readonly TensorBackend _backend;
    private readonly Decoder _decoder;
    private readonly DecoderCache _cache;
    private readonly DecoderWorkspace _workspace;
    private readonly SamplingWorkspace _sampling;
    private readonly DecoderBatch _batch = new();
    private readonly float[] _logits;
    private DeviceLostException? _loss;

    public StepRunner(TensorBackend backend, Decoder decoder, GenerationOptions options)
    {
        var config = decoder.Config;
        _backend = backend;
        _decoder = decoder;
        var blocks = options.CacheBlocks(decoder.BlockTokens);
        _cache = decoder.CreateCache(blocks);
        _workspace = decoder.CreateWorkspace(
            new(options.MaxStepTokens, options.MaxSequences, options.MaxLogitRows, blocks));
        _sampling = new(config.Vocab);
        _logits = new float[config.Vocab];
    }

    /// <summary>Bytes of keys and values on the device.</summary>
    public long CacheBytes => _cache.Bytes;

    /// <summary>Bytes of intermediate results on the device.</summary>
    public long WorkspaceBytes => _workspace.Bytes;

    /// <summary>Runs a step; a sequence whose tokens or logits make it fail fails alone.</summary>
    /// <remarks>
    /// Without a device, or memory on it, all fail. What the device keeps for speed is given up then, so that the next
    /// step finds room.
    /// </remarks>
    /// <param name="lane">What to run on: the backend or one of its lanes.</param>
    /// <returns>That the device is gone; null if it is not.</returns>
    public DeviceLostException? Run(List<DecodingSequence> sequences, TensorBackend lane)
    {
        _batch.Clear();
        foreach (var sequence in sequences)
            _batch.Add(sequence.Cache, sequence.Next, sequence.Rows);
        Tensor logits;
        try
        {
            logits = _decoder.Forward(_batch, _cache, _workspace, lane);
        }
        catch (Exception exception) // No sequence has changed.
        {
            Fail(sequences, Explain(exception), lane);
            return _loss;
        }

        for (var i = 0; i < sequences.Count; i++)
            Answer(sequences[i], logits, _batch.LogitOffsets[i]);
        return _loss;
    }

    public void Dispose()
    {
        _cache.Dispose();
        _workspace.Dispose();
    }

    private void Fail(List<DecodingSequence> sequences, Exception failure, TensorBackend lane)
    {
        var isAll = sequences.Count == 1 || failure is DeviceMemoryException or DeviceLostException;
        foreach (var sequence in sequences)
        {
            if (isAll)
                sequence.Item.Fail(failure);
            else
                RunAlone(sequence, lane);
        }
    }

    /// <summary>What a failure means, of the device above all.</summary>
    private Exception Explain(Exception failure)
    {
        failure = _backend.Explain(failure);
        _loss ??= failure as DeviceLostException;
        if (failure is DeviceMemoryException)
            _backend.Trim();
        return failure;
    }

    private void RunAlone(DecodingSequence sequence, TensorBackend lane)
    {
        try
        {
            _batch.Clear();
            _batch.Add(sequence.Cache, sequence.Next, sequence.Rows);
            Answer(sequence, _decoder.Forward(_batch, _cache, _workspace, lane), firstRow: 0);
        }
        catch (Exception exception)
        {
            sequence.Item.Fail(Explain(exception));
        }
    }

    private void Answer(DecodingSequence sequence, Tensor logits, int firstRow)
    {
        var rows = sequence.RowCount; // Before what is taken changes it.
        try
        {
            for (var row = 0; row < rows && !sequence.Item.IsOver; row++)
            {
                logits.Slice(firstRow + row, 1).CopyTo(_logits);
                sequence.Take(_logits, _sampling);
            }
        }
        catch (Exception exception)
        {
            sequence.Item.Fail(Explain(exception));
        }
    }
}
