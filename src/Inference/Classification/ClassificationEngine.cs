using System.Diagnostics.CodeAnalysis;
using Serving.Inference.Scheduling;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Threading;

namespace Serving.Inference.Classification;

/// <summary>Classifies texts for many tasks on one backbone: requests wait in a queue, lanes run batches.</summary>
/// <remarks>
/// A request is checked and tokenized on its caller's thread and keeps the task versions that it was admitted with.
/// Lanes take their batches from the queue, beside those of other engines. The engine owns neither lanes nor encoder.
/// </remarks>
public sealed class ClassificationEngine : IDisposable
{
    private readonly LanePool _lanes;
    private readonly BertEncoder _encoder;
    private readonly BertTokenizer _tokenizer;
    private readonly EngineOptions _options;
    private readonly TimeProvider _time;
    private readonly ResidentVersions _registry;
    private readonly EngineMetrics _metrics;
    private readonly WorkQueue<WorkUnit> _queue;
    private readonly ClassificationBatches _batches;
    private readonly BackgroundWorker _loader = new();

    /// <param name="lanes">What it runs on, over the backend that the encoder is on.</param>
    /// <exception cref="ArgumentException">A limit is out of range, or the encoder lacks some tokens.</exception>
    public ClassificationEngine(
        LanePool lanes, BertEncoder encoder, BertTokenizer tokenizer, EngineOptions options, TimeProvider time)
    {
        options.ThrowUnlessValid(encoder.Config.MaxPositions);
        if (tokenizer.Vocabulary.Count > encoder.Config.Vocab)
        {
            throw new ArgumentException(
                $"The vocabulary has {tokenizer.Vocabulary.Count} tokens, the encoder {encoder.Config.Vocab}; take the "
                + "vocabulary that belongs to the model.");
        }

        _lanes = lanes;
        _encoder = encoder;
        _tokenizer = tokenizer;
        options = options with
        {
            WholeDeviceMultiplyAdds = options.WholeDeviceMultiplyAdds ?? lanes.Backend.WholeDeviceMultiplyAdds
        };
        _options = options;
        _time = time;
        _registry = new(lanes.Backend, encoder);
        _metrics = new(options.Model);
        _queue = new(lanes, options.QueueLimits, _metrics, time);
        _metrics.Observe(() => _queue.Waiting);
        _batches = new(lanes, encoder, options, _queue, _metrics, () => Memory);
        lanes.Add(_batches);
    }

    /// <summary>Batches that were run.</summary>
    public long Batches => _batches.Done;

    /// <summary>Requests that wait.</summary>
    public int QueuedRequests => _queue.Waiting.Requests;

    /// <summary>Tokens that wait, counted over branches.</summary>
    public int QueuedTokens => _queue.Waiting.Tokens;

    /// <summary>What the engine holds on the device.</summary>
    public EngineMemory Memory => new(_encoder.Bytes, _batches.Bytes, _registry.Memory());

    /// <summary>Checks a task version and copies it into memory on a low-priority thread, beside requests.</summary>
    /// <param name="name">The task's name; requests reach the version once it is activated.</param>
    /// <param name="folder">See <see cref="VersionFiles"/>.</param>
    /// <param name="expectedVersion">What the contents must hash to; null takes any.</param>
    /// <returns>The version.</returns>
    /// <exception cref="ModelFileException">The version is damaged, or not for this encoder.</exception>
    public Task<string> LoadTaskAsync(string name, string folder, string? expectedVersion = null) =>
        LoadTaskAsync(name, () => VersionFiles.Open(folder, expectedVersion));

    /// <summary>The same for a version that the caller opens, on the low-priority thread.</summary>
    /// <param name="open">What it returns is disposed of here.</param>
    public Task<string> LoadTaskAsync(string name, Func<VersionFiles> open)
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
    /// <exception cref="NotResidentException">It is not loaded.</exception>
    public void ActivateTask(string name, string version) => _registry.Activate(name, version);

    /// <summary>Unloads a version, also the active one. Requests that were admitted with it still finish.</summary>
    /// <returns>The bytes freed, once they are.</returns>
    /// <exception cref="NotResidentException">It is not loaded.</exception>
    public async Task<long> UnloadTaskAsync(string name, string version)
    {
        var freed = await _registry.UnloadAsync(name, version);
        _queue.Forget(name);
        _lanes.Backend.Trim();
        return freed;
    }

    /// <summary>Asks for a place in the queue: all that a request costs that is rejected.</summary>
    /// <param name="task">The first task of the request, whose share of the queue it takes.</param>
    /// <param name="isPaced">See <see cref="ClassificationRequest.IsPaced"/>.</param>
    /// <param name="place">To classify with, or to be disposed.</param>
    /// <returns>False if there is none.</returns>
    /// <exception cref="EngineClosedException">The engine takes no more requests.</exception>
    public bool TryReserve(
        string task, bool isPaced, [NotNullWhen(true)] out Reservation? place, out QueueRefusal refusal) =>
        _queue.TryReserve(task, isPaced, out place, out refusal);

    /// <summary>Classifies a text under one or several tasks, which share the layers below their first mask.</summary>
    /// <exception cref="NotResidentException">A task is not loaded.</exception>
    /// <exception cref="WrongInputsException">The request does not have the texts that a task reads.</exception>
    /// <exception cref="InvalidTextException">A text can't be tokenized.</exception>
    /// <exception cref="QueueFullException">Too much is waiting.</exception>
    /// <exception cref="EngineClosedException">The engine takes no more requests.</exception>
    /// <exception cref="DeadlinePassedException">The deadline passed before it was its turn.</exception>
    /// <exception cref="NonFiniteScoresException">A task's scores are no finite numbers.</exception>
    public Task<ClassificationResult> ClassifyAsync(
        ClassificationRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ThrowUnlessNamesTask(request);
        return TryReserve(request.Tasks[0].Name, request.IsPaced, out var place, out var refusal)
            ? ClassifyAsync(request, place, cancellationToken)
            : throw new QueueFullException(refusal);
    }

    /// <summary>The same for a request that has a place.</summary>
    /// <param name="place">Of this engine; it is used up, also if this fails.</param>
    /// <exception cref="QueueFullException">There is no room for the text's tokens.</exception>
    public Task<ClassificationResult> ClassifyAsync(
        ClassificationRequest request, Reservation place, CancellationToken cancellationToken = default)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            ThrowUnlessNamesTask(request);
            var pending = Begin(request);
            try
            {
                Enqueue(pending, place, cancellationToken);
            }
            catch
            {
                foreach (var task in pending.Tasks)
                    task.Release();
                throw;
            }

            return pending.Answer;
        }
        finally
        {
            place.Dispose(); // Does nothing once the request is queued.
        }
    }

    /// <summary>Takes no new requests; completes when those that were admitted are answered.</summary>
    public Task DrainAsync()
    {
        _queue.Drain();
        return _lanes.WhenIdleAsync(_batches);
    }

    /// <summary>Stops after the running batches; waiting requests fail. Frees the tasks and the workspaces.</summary>
    public void Dispose()
    {
        if (!_queue.Stop())
            return;
        _loader.Dispose();
        _lanes.Remove(_batches);
        _queue.FailRest(new ObjectDisposedException(nameof(ClassificationEngine)));
        _metrics.Dispose();
        _registry.Dispose();
        _batches.Dispose();
    }

    /// <summary>Finds the request's tasks, which it uses from now on, and tokenizes its text.</summary>
    private PendingRequest Begin(ClassificationRequest request)
    {
        var tasks = _registry.Use(request.Tasks);
        try
        {
            foreach (var task in tasks)
                ThrowUnlessReads(task, request);
            return new(request, Tokenize(request), tasks, _encoder.Config.Hidden, _time);
        }
        catch
        {
            foreach (var task in tasks)
                task.Release();
            throw;
        }
    }

    private TokenSequence Tokenize(ClassificationRequest request)
    {
        using var span = EngineTracing.Source.StartActivity("tokenize");
        return _tokenizer.Encode(request.Text, request.Pair, _encoder.Config.MaxPositions, request.Truncation);
    }

    private static void ThrowUnlessNamesTask(ClassificationRequest request)
    {
        if (request.Tasks.Count == 0)
            throw new WrongInputsException("The request names no task; at least one is needed.");
    }

    private static void ThrowUnlessReads(ResidentVersion task, ClassificationRequest request)
    {
        var needsPair = task.Task.Inputs == TextInputs.Pair;
        if (needsPair && request.Pair is null)
            throw new WrongInputsException($"The task '{task.Name}' reads a text and its pair; the pair is missing.");
        if (!needsPair && request.Pair is not null)
            throw new WrongInputsException($"The task '{task.Name}' reads one text; leave the pair out.");
    }

    private void Enqueue(PendingRequest request, Reservation place, CancellationToken cancellationToken)
    {
        var tokens = request.BranchTokens;
        if (tokens > _options.MaxQueuedTokens)
        {
            throw new WrongInputsException(
                $"The request has {tokens} tokens over its {request.Tasks.Length} tasks; at most "
                + $"{_options.MaxQueuedTokens} can wait. Split it.");
        }

        // As many tasks at a time as fit into a batch.
        var length = request.Sequence.Tokens.Count;
        var tasksPerUnit = Math.Min(_options.MaxBatchBranches, _options.MaxBatchTokens / length);
        QueueRefusal refusal;
        bool isQueued;
        if (request.Tasks.Length <= tasksPerUnit)
        {
            var unit = Unit(request, 0, request.Tasks.Length);
            isQueued = _queue.TryEnqueue(request, new(in unit), place, out refusal, cancellationToken);
        }
        else
        {
            WorkUnit[] units =
            [
                .. Enumerable.Range(0, (request.Tasks.Length + tasksPerUnit - 1) / tasksPerUnit)
                    .Select(i => Unit(request, i * tasksPerUnit, tasksPerUnit))
            ];
            isQueued = _queue.TryEnqueue(request, units, place, out refusal, cancellationToken);
        }

        if (!isQueued)
            throw new QueueFullException(refusal);
    }

    private WorkUnit Unit(PendingRequest request, int firstTask, int mostTasks)
    {
        var tasks = Math.Min(mostTasks, request.Tasks.Length - firstTask);
        var multiplyAdds = tasks * _encoder.Config.MultiplyAdds(request.Sequence.Tokens.Count);
        return new(request, firstTask, tasks, multiplyAdds >= _options.WholeDeviceMultiplyAdds);
    }
}
