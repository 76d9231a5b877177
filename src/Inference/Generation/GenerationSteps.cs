using Serving.Inference.Scheduling;
using Serving.Models.Decoders;
using Serving.Tensors;

namespace Serving.Inference.Generation;

/// <summary>The engine as lanes see it: each batch is a step of all sequences that run.</summary>
/// <remarks>
/// Between steps sequences join, as far as the cache has room for all that they may come to, and leave. One step runs
/// at a time.
/// </remarks>
internal sealed class GenerationSteps : IEngine, IDisposable
{
    private readonly LanePool _lanes;
    private readonly DecoderConfig _config;
    private readonly GenerationOptions _options;
    private readonly TimeProvider _time;
    private readonly WorkQueue<DecodingSequence> _queue;
    private readonly EngineMetrics _engineMetrics;
    private readonly StepRunner _runner;
    private readonly StepPlanner _planner;
    private readonly long _wholeDeviceMultiplyAdds;
    private readonly Predicate<DecodingSequence> _leaves;

    // Guarded by the lanes' lock, but for what a step that runs does with its own.
    private readonly BlockPool _blocks;
    private readonly List<DecodingSequence> _running = [];
    private readonly List<DecodingSequence> _step = [];
    private readonly List<DecodingSequence> _joining = [];
    private readonly List<DecodingSequence> _leaving = [];
    private DateTimeOffset _now;
    private int _stepTokens;
    private bool _isStepping;
    private bool _isStopped;

    public GenerationSteps(
        LanePool lanes, Decoder decoder, GenerationOptions options, WorkQueue<DecodingSequence> queue,
        EngineMetrics engineMetrics, TimeProvider time)
    {
        _lanes = lanes;
        _config = decoder.Config;
        _options = options;
        _time = time;
        _queue = queue;
        _engineMetrics = engineMetrics;
        _runner = new(lanes.Backend, decoder, options);
        _planner = new(options);
        _blocks = new(options.CacheBlocks(decoder.BlockTokens), decoder.BlockTokens);
        _wholeDeviceMultiplyAdds = options.WholeDeviceMultiplyAdds ?? lanes.Backend.WholeDeviceMultiplyAdds;
        _leaves = Leaves;
    }

    /// <summary>Sequences that run.</summary>
    public int Running
    {
        get
        {
            lock (_lanes.Gate)
                return _running.Count;
        }
    }

    /// <summary>Blocks of the cache that sequences have.</summary>
    public int UsedBlocks
    {
        get
        {
            lock (_lanes.Gate)
                return _blocks.Used;
        }
    }

    /// <summary>Bytes of keys and values on the device.</summary>
    public long CacheBytes => _runner.CacheBytes;

    /// <summary>Bytes of intermediate results on the device.</summary>
    public long WorkspaceBytes => _runner.WorkspaceBytes;

    public bool HasWork => !_isStepping && !_isStopped && (_running.Count > 0 || _queue.HasWork);

    public bool NeedsWholeDevice
    {
        get
        {
            var tokens = _queue.TryPeek(out var next) ? next.Left : 0;
            foreach (var sequence in _running)
                tokens += sequence.Left;
            tokens = Math.Min(tokens, _options.MaxStepTokens);
            return _config.MultiplyAdds(tokens, Math.Max(1, _running.Count)) >= _wholeDeviceMultiplyAdds;
        }
    }

    public bool TryTakeBatch(int lane, bool isWide, int idleLanes)
    {
        Sweep();
        foreach (var sequence in _leaving)
            sequence.Item.FinishUnits(1);
        _leaving.Clear();
        _joining.Clear();
        _queue.Take(
            _joining,
            new(_blocks.FreeTokens, _options.MaxSequences - _running.Count, IsWide: true, TakesOne: false));
        foreach (var sequence in _joining)
        {
            sequence.Began = _time.GetTimestamp();
            Join(sequence);
            foreach (var other in sequence.Others)
                Join(other);
        }

        if (_running.Count == 0)
            return false;
        _planner.Plan(_running, _step, _blocks);
        _stepTokens = 0;
        foreach (var sequence in _step)
            _stepTokens += sequence.Planned;
        _isStepping = true;
        return true;
    }

    public void RunBatch(int lane, TensorBackend device)
    {
        using (EngineTracing.StartBatch(_joining))
        {
            if (_runner.Run(_step, device) is { } loss)
                _lanes.NoteLoss(loss);
        }
    }

    public void EndBatch(int lane, TimeSpan computed)
    {
        _queue.NoteSpeed(_stepTokens, computed);
        foreach (var sequence in _step)
        {
            if (!sequence.IsReplaced)
                _blocks.NoteFilled(sequence);
        }

        foreach (var sequence in _running) // Once all is known that they may share next.
        {
            if (sequence.IsReplaced)
                _blocks.Restart(sequence);
        }

        Sweep();
    }

    public void AnswerBatch(int lane, TimeSpan computed)
    {
        _engineMetrics.Left(_joining);
        _engineMetrics.BatchDone(_step.Count, _stepTokens, computed);
        foreach (var sequence in _leaving)
        {
            if (EngineTracing.Source.HasListeners())
                EngineTracing.EndForward(sequence, _time.GetElapsedTime(sequence.Began!.Value));
            sequence.Item.FinishUnits(1);
        }

        _leaving.Clear();
        lock (_lanes.Gate)
            _isStepping = false;
    }

    /// <summary>Gives no more steps.</summary>
    public void Stop()
    {
        lock (_lanes.Gate)
            _isStopped = true;
    }

    /// <summary>Fails what still runs once no step does.</summary>
    public void FailRest(Exception exception)
    {
        foreach (var sequence in _running)
        {
            sequence.Item.Fail(exception);
            if (sequence.IsUnit)
                sequence.Item.FinishUnits(1);
        }

        _running.Clear();
    }

    public void Dispose() => _runner.Dispose();

    private void Join(DecodingSequence sequence)
    {
        _blocks.Promise(sequence);
        _running.Add(sequence);
    }

    /// <summary>Lets go of the sequences that are done, given up or late, and of their blocks.</summary>
    private void Sweep()
    {
        _now = _time.GetUtcNow();
        _running.RemoveAll(_leaves);
    }

    private bool Leaves(DecodingSequence sequence)
    {
        var item = sequence.Item;
        if (!sequence.IsDone && !item.IsOver && item.Deadline <= _now)
        {
            _engineMetrics.Rejected("deadline");
            item.Fail(new DeadlinePassedException(
                $"The deadline {item.Deadline:O} passed while the request ran; allow more time or ask for less."));
        }

        if (!sequence.IsDone && !item.IsOver)
            return false;
        _blocks.Release(sequence);
        if (sequence.IsUnit)
            _leaving.Add(sequence);
        return true;
    }
}
