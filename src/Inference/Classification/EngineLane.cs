using Serving.Models.Bert;
using Serving.Tensors;

namespace Serving.Inference.Classification;

/// <summary>Runs one batch at a time, on a part of the device, or on all of it while nothing else runs.</summary>
internal sealed class EngineLane(TensorBackend whole, TensorBackend part, BertEncoder encoder, EngineOptions options)
    : IDisposable
{
    private readonly BatchRunner _runner = new(whole, encoder, options);
    private readonly List<WorkUnit> _single = [];

    /// <summary>The batch to run next.</summary>
    public List<WorkUnit> Batch { get; } = [];

    /// <summary>Whether the batch runs on the whole device.</summary>
    public bool IsWide { get; set; }

    /// <summary>What its thread has allocated on the managed heap, in bytes.</summary>
    public long AllocatedBytes { get; set; }

    /// <summary>Bytes of its intermediate results on the device.</summary>
    public long Bytes => _runner.Bytes;

    public int Tokens
    {
        get
        {
            var tokens = 0;
            foreach (var unit in Batch)
                tokens += unit.Tokens;
            return tokens;
        }
    }

    private TensorBackend Backend => IsWide ? whole : part;

    /// <summary>Runs the batch. If it fails, its units run one by one, so that a bad row fails alone.</summary>
    public void Run()
    {
        try
        {
            _runner.Run(Batch, Backend);
        }
        catch (Exception) when (Batch.Count > 1)
        {
            foreach (var unit in Batch)
            {
                _single.Clear();
                _single.Add(unit);
                RunSingle(unit);
            }
        }
        catch (Exception exception)
        {
            Batch[0].Request.Fail(exception);
        }
    }

    public void Dispose() => _runner.Dispose();

    private void RunSingle(WorkUnit unit)
    {
        try
        {
            _runner.Run(_single, Backend);
        }
        catch (Exception exception)
        {
            unit.Request.Fail(exception);
        }
    }
}
