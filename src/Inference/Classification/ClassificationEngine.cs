using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Tasks;
using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Threading;

namespace Serving.Inference.Classification;

/// <summary>Classifies texts for many tasks on one backbone: requests wait in a queue, loops run batches.</summary>
/// <remarks>
/// A request is checked and tokenized on its caller's thread and keeps the task versions that it was admitted with.
/// Each lane of the backend has a loop, which takes its share of the queue as soon as the lane is idle. The engine owns
/// neither the backend nor the encoder.
/// </remarks>
public sealed class ClassificationEngine : IDisposable
{
    private readonly TensorBackend _backend;
    private readonly BertEncoder _encoder;
    private readonly BertTokenizer _tokenizer;
    private readonly EngineOptions _options;
    private readonly TimeProvider _time;
    private readonly EngineLoad? _load;
    private readonly TaskRegistry _registry;
    private readonly EngineLane[] _lanes;
    private readonly BackgroundWorker _loader = new();
    private readonly Thread[] _loops;

    private readonly EngineMetrics _metrics;
    private readonly TaskCompletionSource _loopsEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly BatchScheduler _scheduler;
    private long _admitted;
    private int _runningLoops;
    private long _batches;

    /// <summary>Starts the loops.</summary>
    /// <param name="load">Is told when the engine computes.</param>
    /// <exception cref="ArgumentException">A limit is out of range, or the encoder lacks some tokens.</exception>
    public ClassificationEngine(
        TensorBackend backend, BertEncoder encoder, BertTokenizer tokenizer, EngineOptions options, TimeProvider time,
        EngineLoad? load = null)
    {
        options.ThrowUnlessValid(encoder.Config.MaxPositions);
        if (tokenizer.Vocabulary.Count > encoder.Config.Vocab)
        {
            throw new ArgumentException(
                $"The vocabulary has {tokenizer.Vocabulary.Count} tokens, the encoder {encoder.Config.Vocab}; take the "
                + "vocabulary that belongs to the model.");
        }

        _backend = backend;
        _encoder = encoder;
        _tokenizer = tokenizer;
        options = options with
        {
            WholeDeviceMultiplyAdds = options.WholeDeviceMultiplyAdds ?? backend.WholeDeviceMultiplyAdds
        };
        _options = options;
        _time = time;
        _load = load;
        _registry = new(backend, encoder);
        _lanes = [.. backend.Lanes.Select(part => new EngineLane(backend, part, encoder, options))];
        _metrics = new(options.Model);
        _scheduler = new(encoder.Config, options, _lanes.Length, time, _metrics, load);
        _metrics.Observe(this);
        _runningLoops = _lanes.Length;
        _loops = [.. _lanes.Select(
            (lane, i) => new Thread(() => Loop(lane)) { IsBackground = true, Name = $"classification-{i}" })];
        foreach (var loop in _loops)
            loop.Start();
    }

    /// <summary>Batches that were run.</summary>
    public long Batches => Interlocked.Read(ref _batches);

    /// <summary>What the loops have allocated on the managed heap so far, in bytes.</summary>
    internal long LoopAllocatedBytes => _lanes.Sum(lane => lane.AllocatedBytes);

    /// <summary>Requests that wait.</summary>
    public int QueuedRequests => _scheduler.Waiting.Requests;

    /// <summary>Tokens that wait, counted over branches.</summary>
    public int QueuedTokens => _scheduler.Waiting.Tokens;

    /// <summary>Whether a request would be rejected now, whatever its length; saves the cost of an exception.</summary>
    /// <param name="task">The first that it asks for.</param>
    /// <param name="retryAfter">When there may be room.</param>
    public bool IsFull(string task, out TimeSpan retryAfter) => _scheduler.IsFull(task, out retryAfter);

    /// <summary>What the engine holds on the device.</summary>
    public EngineMemory Memory => new(_encoder.Bytes, _lanes.Sum(lane => lane.Bytes), _registry.Memory());

    /// <summary>Checks a task version and copies it into memory on a low-priority thread, beside requests.</summary>
    /// <param name="name">The task's name; requests reach the version once it is activated.</param>
    /// <param name="folder">See <see cref="TaskPack"/>.</param>
    /// <param name="expectedVersion">What the contents must hash to; null takes any.</param>
    /// <returns>The version.</returns>
    /// <exception cref="ModelFileException">The version is damaged, or not for this encoder.</exception>
    public Task<string> LoadTaskAsync(string name, string folder, string? expectedVersion = null) =>
        LoadTaskAsync(name, () => TaskPack.Open(folder, expectedVersion));

    /// <summary>The same for a version that the caller opens, on the low-priority thread.</summary>
    /// <param name="open">What it returns is disposed of here.</param>
    public Task<string> LoadTaskAsync(string name, Func<TaskPack> open)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return _loader.RunAsync(() =>
        {
            using var pack = open();
            return _registry.Load(name, pack);
        });
    }

    /// <summary>Whether a version is in memory.</summary>
    public bool IsLoaded(string name, string version) => _registry.Snapshot.Loaded.ContainsKey((name, version));

    /// <summary>Makes a loaded version the one that requests without a version get, from the next request on.</summary>
    /// <exception cref="UnknownTaskException">It is not loaded.</exception>
    public void ActivateTask(string name, string version) => _registry.Activate(name, version);

    /// <summary>Unloads a version, also the active one. Requests that were admitted with it still finish.</summary>
    /// <returns>The bytes freed, once they are.</returns>
    /// <exception cref="UnknownTaskException">It is not loaded.</exception>
    public async Task<long> UnloadTaskAsync(string name, string version)
    {
        var freed = await _registry.UnloadAsync(name, version);
        _scheduler.Forget(name);
        _backend.Trim();
        return freed;
    }

    /// <summary>Classifies a text under one or several tasks, which share the layers below their first mask.</summary>
    /// <exception cref="UnknownTaskException">A task is not loaded.</exception>
    /// <exception cref="TaskInputException">The request does not have the texts that a task reads.</exception>
    /// <exception cref="InvalidTextException">A text can't be tokenized.</exception>
    /// <exception cref="QueueFullException">Too much is waiting.</exception>
    /// <exception cref="DeadlinePassedException">The deadline passed before it was its turn.</exception>
    /// <exception cref="NonFiniteScoresException">A task's scores are no finite numbers.</exception>
    public Task<ClassificationResult> ClassifyAsync(
        ClassificationRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (request.Tasks.Count == 0)
            throw new TaskInputException("The request names no task; at least one is needed.");
        if (!request.IsPaced)
            // Before tokenizing: a rejection should cost little.
            _scheduler.ThrowIfFull(request.Tasks[0].Name);
        var tasks = _registry.Use(request.Tasks);
        try
        {
            foreach (var task in tasks)
                ThrowUnlessReads(task, request);
            var pending = new PendingRequest(
                request, Tokenize(request), tasks, _encoder.Config.Hidden, _time, Interlocked.Increment(ref _admitted));
            Admit(pending, cancellationToken);
            return pending.Answer;
        }
        catch
        {
            foreach (var task in tasks)
                task.Release();
            throw;
        }
    }

    /// <summary>Takes no new requests; completes when those that were admitted are answered.</summary>
    public Task DrainAsync()
    {
        _scheduler.Drain();
        return _loopsEnded.Task;
    }

    /// <summary>Stops after the running batches; waiting requests fail. Frees the tasks and the workspaces.</summary>
    public void Dispose()
    {
        if (!_scheduler.Stop())
            return;
        _loader.Dispose();
        foreach (var loop in _loops)
            loop.Join();
        _scheduler.FailRest(new ObjectDisposedException(nameof(ClassificationEngine)));
        _metrics.Dispose();
        _registry.Dispose();
        foreach (var lane in _lanes)
            lane.Dispose();
    }

    private TokenSequence Tokenize(ClassificationRequest request)
    {
        using var span = EngineTracing.Source.StartActivity("tokenize");
        return _tokenizer.Encode(request.Text, request.Pair, _encoder.Config.MaxPositions, request.Truncation);
    }

    private static void ThrowUnlessReads(ResidentTask task, ClassificationRequest request)
    {
        var needsPair = task.Task.Inputs == TaskInputs.Pair;
        if (needsPair && request.Pair is null)
            throw new TaskInputException($"The task '{task.Name}' reads a text and its pair; the pair is missing.");
        if (!needsPair && request.Pair is not null)
            throw new TaskInputException($"The task '{task.Name}' reads one text; leave the pair out.");
    }

    private void Admit(PendingRequest request, CancellationToken cancellationToken)
    {
        var tokens = request.BranchTokens;
        if (tokens > _options.MaxQueuedTokens)
        {
            throw new TaskInputException(
                $"The request has {tokens} tokens over its {request.Tasks.Length} tasks; at most "
                + $"{_options.MaxQueuedTokens} can wait. Split it.");
        }

        // As many tasks at a time as fit into a batch.
        var length = request.Sequence.Tokens.Count;
        var tasksPerUnit = Math.Min(_options.MaxBatchBranches, _options.MaxBatchTokens / length);
        request.Begin(this, (request.Tasks.Length + tasksPerUnit - 1) / tasksPerUnit, cancellationToken);
        try
        {
            _scheduler.Enqueue(request, tasksPerUnit, cancellationToken);
        }
        catch
        {
            request.Withdraw();
            throw;
        }
    }

    /// <summary>Removes a request whose caller no longer waits from the queue.</summary>
    internal void Abandon(PendingRequest request)
    {
        var removed = _scheduler.Remove(request);
        _metrics.Cancelled(hasStarted: removed == 0);
        request.FinishUnits(removed, TimeSpan.Zero);
    }

    private void Loop(EngineLane lane)
    {
        SchedulingPriority.Lower(SchedulingPriority.Compute);
        _load?.Begin();
        while (_scheduler.TakeBatch(lane))
        {
            var begin = _time.GetTimestamp();
            using (EngineTracing.StartBatch(lane.Batch))
                lane.Run();
            var computed = _time.GetElapsedTime(begin);
            _metrics.BatchDone(lane.Batch, computed);
            EngineTracing.EndForward(lane.Batch, computed);
            Interlocked.Increment(ref _batches);
            lane.AllocatedBytes = GC.GetAllocatedBytesForCurrentThread();
            _scheduler.EndBatch(lane, computed);
            foreach (var unit in lane.Batch)
                unit.Request.FinishUnits(1, computed);
        }

        _load?.End();
        if (Interlocked.Decrement(ref _runningLoops) == 0)
            _loopsEnded.SetResult();
    }
}
