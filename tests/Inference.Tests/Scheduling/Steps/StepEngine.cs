using Serving.Inference.Scheduling;
using Serving.Tensors;

namespace Serving.Inference.Tests.Scheduling.Steps;

/// <summary>
/// A small engine that runs items in steps, beside which those of <see cref="Inference.Classification"/> run once: it
/// needs nothing of scheduling that is not there.
/// </summary>
/// <remarks>
/// A batch is a step of all sequences that run. Between steps sequences join as far as the cache has room, and leave.
/// </remarks>
internal sealed class StepEngine : IEngine, IDisposable
{
    private readonly LanePool _lanes;
    private readonly int _cacheTokens;
    private readonly TimeProvider _time;
    private readonly Action<IReadOnlyList<StepSequence>> _step;
    private readonly EngineMetrics _metrics = new("steps");
    private readonly WorkQueue<StepSequence> _queue;
    private readonly List<StepSequence> _joining = [];
    private readonly List<StepSequence> _leaving = [];

    // Guarded by the lanes' lock.
    private readonly List<StepSequence> _running = [];
    private bool _isStepping;
    private bool _isStopped;

    /// <param name="cacheTokens">How many tokens all running sequences may have at their longest.</param>
    /// <param name="step">Sees the sequences of each step.</param>
    public StepEngine(
        LanePool lanes, int cacheTokens, TimeProvider time, Action<IReadOnlyList<StepSequence>> step)
    {
        _lanes = lanes;
        _cacheTokens = cacheTokens;
        _time = time;
        _step = step;
        _queue = new(lanes, new(Requests: 100, Tokens: 10_000), _metrics, time);
        _metrics.Observe(() => _queue.Waiting);
        lanes.Add(this);
    }

    bool IEngine.HasWork => !_isStepping && !_isStopped && (_running.Count > 0 || _queue.HasWork);

    bool IEngine.NeedsWholeDevice => false;

    /// <returns>How many steps it took.</returns>
    public Task<int> RunAsync(string name, int prompt, int steps, CancellationToken cancellationToken = default)
    {
        var sequence = new StepSequence(name, prompt, steps, _time);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sequence.Tokens, _cacheTokens);
        if (!_queue.TryReserve(sequence.FairKey, isPaced: false, out var place, out var refusal)
            || !_queue.TryEnqueue(sequence, new(in sequence), place, out refusal, cancellationToken))
            throw new QueueFullException(refusal);
        return sequence.Answer;
    }

    public Task DrainAsync()
    {
        _queue.Drain();
        return _lanes.WhenIdleAsync(this);
    }

    /// <summary>Stops after the step that runs; what runs and what waits fails.</summary>
    public void Dispose()
    {
        lock (_lanes.Gate)
            _isStopped = true;
        if (!_queue.Stop())
            return;
        _lanes.Remove(this);
        var stopped = new ObjectDisposedException(nameof(StepEngine));
        _queue.FailRest(stopped);
        foreach (var sequence in _running)
        {
            sequence.Fail(stopped);
            sequence.FinishUnits(1);
        }

        _metrics.Dispose();
    }

    bool IEngine.TryTakeBatch(int lane, bool isWide, int idleLanes)
    {
        var room = _cacheTokens - _running.Sum(sequence => sequence.Tokens);
        _joining.Clear();
        _queue.Take(_joining, new(room, Branches: 8, IsWide: true, TakesOne: false));
        _running.AddRange(_joining);
        _isStepping = _running.Count > 0;
        return _isStepping;
    }

    void IEngine.RunBatch(int lane, TensorBackend device)
    {
        using (EngineTracing.StartBatch(_joining))
            _step(_running);
        foreach (var sequence in _running)
            sequence.Step();
    }

    void IEngine.EndBatch(int lane, TimeSpan computed)
    {
        _queue.NoteSpeed(_running.Count, computed);
        _leaving.AddRange(_running.Where(sequence => !sequence.HasSteps));
        _running.RemoveAll(sequence => !sequence.HasSteps);
    }

    void IEngine.AnswerBatch(int lane, TimeSpan computed)
    {
        _metrics.Left(_joining);
        _metrics.BatchDone(_running.Count, _running.Count, computed);
        foreach (var sequence in _leaving)
            sequence.FinishUnits(1);
        _leaving.Clear();
        lock (_lanes.Gate)
            _isStepping = false;
    }
}
