using Serving.Inference.Generation.Sampling;
using Serving.Models.Gpt2;
using Serving.Tensors;

namespace Serving.Inference.Generation;

/// <summary>Runs a step: the planned tokens of its sequences in one forward pass.</summary>
/// <remarks>Allocates nothing on the managed heap but what sequences give to their readers.</remarks>
internal sealed class StepRunner : IDisposable
{
    private readonly Gpt2Decoder _decoder;
    private readonly KeyValueCache _cache;
    private readonly Gpt2Workspace _workspace;
    private readonly SamplingWorkspace _sampling;
    private readonly Gpt2Batch _batch = new();
    private readonly float[] _logits;

    public StepRunner(TensorBackend backend, Gpt2Decoder decoder, GenerationOptions options)
    {
        var config = decoder.Config;
        _decoder = decoder;
        _cache = new(backend, config, options.CacheBlocks);
        _workspace = decoder.CreateWorkspace(
            new(options.MaxStepTokens, options.MaxSequences, options.MaxLogitRows, options.CacheBlocks));
        _sampling = new(config.Vocab);
        _logits = new float[config.Vocab];
    }

    /// <summary>Bytes of keys and values on the device.</summary>
    public long CacheBytes => _cache.Bytes;

    /// <summary>Bytes of intermediate results on the device.</summary>
    public long WorkspaceBytes => _workspace.Bytes;

    /// <summary>Runs a step; a sequence whose tokens or logits make it fail fails alone.</summary>
    /// <param name="lane">What to run on: the backend or one of its lanes.</param>
    public void Run(List<DecodingSequence> sequences, TensorBackend lane)
    {
        _batch.Clear();
        foreach (var sequence in sequences)
            _batch.Add(sequence.Cache, sequence.Next, sequence.Rows);
        Tensor logits;
        try
        {
            logits = _decoder.Forward(_batch, _cache, _workspace, lane);
        }
        catch (Exception) when (sequences.Count > 1) // No sequence has changed.
        {
            foreach (var sequence in sequences)
                RunAlone(sequence, lane);
            return;
        }
        catch (Exception exception)
        {
            sequences[0].Item.Fail(exception);
            return;
        }

        for (var i = 0; i < sequences.Count; i++)
            Answer(sequences[i], logits, _batch.LogitOffsets[i]);
    }

    public void Dispose()
    {
        _cache.Dispose();
        _workspace.Dispose();
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
            sequence.Item.Fail(exception);
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
            sequence.Item.Fail(exception);
        }
    }
}
