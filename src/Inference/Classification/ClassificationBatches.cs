using Serving.Inference.Scheduling;
using Serving.Models.Bert;
using Serving.Tensors;

namespace Serving.Inference.Classification;

/// <summary>The engine as lanes see it: batches of what waits in its queue.</summary>
/// <param name="memory">The engine's ledger, for its metrics.</param>
internal sealed class ClassificationBatches(
    LanePool lanes, BertEncoder encoder, EngineOptions options, WorkQueue<WorkUnit> queue, EngineMetrics metrics,
    Func<EngineMemory> memory)
    : IEngine, IDisposable
{
    private readonly LaneBatch[] _batches =
        [.. Enumerable.Range(0, lanes.Count).Select(_ => new LaneBatch(lanes.Backend, encoder, options))];

    private readonly ClassificationMetrics _metrics = new(metrics, memory);
    private int _running; // Guarded by the lanes' lock.
    private long _done;

    /// <summary>Batches that were run.</summary>
    public long Done => Interlocked.Read(ref _done);

    /// <summary>Bytes of intermediate results on the device.</summary>
    public long Bytes => _batches.Sum(batch => batch.Bytes);

    public bool HasWork => queue.HasWork;

    public bool NeedsWholeDevice => queue.TryPeek(out var next) && next.NeedsWholeDevice;

    public bool TryTakeBatch(int lane, bool isWide, int idleLanes)
    {
        // A batch on one lane gets its share, so that the other lanes find some, too.
        var share = isWide || lanes.Count == 1
            ? options.MaxBatchTokens
            : Math.Min(options.MaxBatchTokens / lanes.Count, (queue.Waiting.Tokens + idleLanes - 1) / idleLanes);
        var units = _batches[lane].Units;
        units.Clear();
        queue.Take(units, new(share, options.MaxBatchBranches, isWide, TakesOne: true));
        if (units.Count == 0)
            return false;
        _running++;
        return true;
    }

    public void RunBatch(int lane, TensorBackend device)
    {
        using (EngineTracing.StartBatch(_batches[lane].Units))
        {
            if (_batches[lane].Run(device) is { } loss)
                lanes.NoteLoss(loss);
        }
    }

    public void EndBatch(int lane, TimeSpan computed)
    {
        var tokens = 0;
        foreach (var unit in _batches[lane].Units)
            tokens += unit.Tokens;
        queue.NoteSpeed(tokens * _running, computed); // Assumes that its other batches are as fast.
        _running--;
    }

    public void AnswerBatch(int lane, TimeSpan computed)
    {
        var units = _batches[lane].Units;
        Interlocked.Increment(ref _done);
        EngineTracing.EndForward(units, computed);
        metrics.Left(units);
        _metrics.BatchDone(units, computed);
        foreach (var unit in units)
            unit.Request.FinishUnit(computed);
    }

    public void Dispose()
    {
        foreach (var batch in _batches)
            batch.Dispose();
    }
}
