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
    /// <param name="isPaced">See <see cref="TextRequest.IsPaced"/>.</param>
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
            return Enqueue(Begin(request), place, cancellationToken);
        }
        finally
        {
            place.Dispose(); // Does nothing once the request is queued.
        }
    }

    /// <summary>The vectors of a text, in batches with whatever else waits.</summary>
    /// <exception cref="NotResidentException">The task is not loaded.</exception>
    /// <exception cref="WrongInputsException">
    /// The request does not have the texts that the task or the model reads, or wants a pooler that is not there.
    /// </exception>
    /// <exception cref="InvalidTextException">A text can't be tokenized.</exception>
    /// <exception cref="QueueFullException">Too much is waiting.</exception>
    /// <exception cref="EngineClosedException">The engine takes no more requests.</exception>
    /// <exception cref="DeadlinePassedException">The deadline passed before it was its turn.</exception>
    /// <exception cref="NonFiniteScoresException">A value is no finite number.</exception>
    public Task<EmbeddingResult> EmbedAsync(EmbeddingRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return TryReserve(
            request.Task?.Name ?? PendingRequest.NoTask, request.IsPaced, out var place, out var refusal)
            ? EmbedAsync(request, place, cancellationToken)
            : throw new QueueFullException(refusal);
    }

    /// <summary>The same for a request that has a place.</summary>
    /// <param name="place">Of this engine; it is used up, also if this fails.</param>
    /// <exception cref="QueueFullException">There is no room for the text's tokens.</exception>
    public Task<EmbeddingResult> EmbedAsync(
        EmbeddingRequest request, Reservation place, CancellationToken cancellationToken = default)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Enqueue(Begin(request), place, cancellationToken);
        }
        finally
        {
            place.Dispose();
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
    private PendingRequest<ClassificationResult> Begin(ClassificationRequest request) =>
        Begin<ClassificationResult>(request, request.Tasks, static (tasks, sequence) =>
        {
            var scores = new TaskScores[tasks.Length];
            var branches = new PendingBranch[tasks.Length];
            for (var i = 0; i < tasks.Length; i++)
            {
                var task = tasks[i].Task;
                var labels = task.Labels.Count;
                scores[i] = new(tasks[i].Name, task.Version, task.Labels, new float[labels], new float[labels]);
                branches[i] = new(tasks[i], scores[i], Embedding: null);
            }

            return (branches, new ClassificationResult(scores, sequence.Tokens.Count, sequence.DroppedTokens));
        });

    private PendingRequest<EmbeddingResult> Begin(EmbeddingRequest request) =>
        Begin<EmbeddingResult>(request, request.Task is { } reference ? [reference] : [], (tasks, sequence) =>
        {
            var task = tasks.Length > 0 ? tasks[0] : null;
            var pooling = request.Pooling ?? task?.Task.Pooling ?? Pooling.Mean;
            if (pooling == Pooling.Pooler && !_encoder.Config.HasPooler)
                throw new WrongInputsException("The model was saved without its pooler; ask for cls or mean.");
            var hidden = _encoder.Config.Hidden;
            var result = new EmbeddingResult(
                pooling, task?.Task.Version, new float[hidden],
                request.WantsTokens ? new float[sequence.Tokens.Count * hidden] : null, sequence.Tokens.Count,
                sequence.DroppedTokens);
            return ([new PendingBranch(task, Scores: null, result)], result);
        });

    private PendingRequest<TResult> Begin<TResult>(
        TextRequest request, IReadOnlyList<TaskReference> references,
        Func<ResidentVersion[], TokenSequence, (PendingBranch[] Branches, TResult Result)> begin)
        where TResult : RequestResult
    {
        var tasks = _registry.Use(references);
        try
        {
            foreach (var task in tasks)
                ThrowUnlessReads(task, request);
            if (request.Pair is not null && !_encoder.Config.ReadsPairs)
                throw new WrongInputsException("The model reads single texts; leave the pair out.");
            var sequence = Tokenize(request);
            var (branches, result) = begin(tasks, sequence);
            return new(request, sequence, branches, result, _time);
        }
        catch
        {
            foreach (var task in tasks)
                task.Release();
            throw;
        }
    }

    private TokenSequence Tokenize(TextRequest request)
    {
        using var span = EngineTracing.Source.StartActivity("tokenize");
        return _tokenizer.Encode(request.Text, request.Pair, _encoder.Config.MaxPositions, request.Truncation);
    }

    private static void ThrowUnlessNamesTask(ClassificationRequest request)
    {
        if (request.Tasks.Count == 0)
            throw new WrongInputsException("The request names no task; at least one is needed.");
    }

    private static void ThrowUnlessReads(ResidentVersion task, TextRequest request)
    {
        var needsPair = task.Task.Inputs == TextInputs.Pair;
        if (needsPair && request.Pair is null)
            throw new WrongInputsException($"The task '{task.Name}' reads a text and its pair; the pair is missing.");
        if (!needsPair && request.Pair is not null)
            throw new WrongInputsException($"The task '{task.Name}' reads one text; leave the pair out.");
    }

    private Task<TResult> Enqueue<TResult>(
        PendingRequest<TResult> request, Reservation place, CancellationToken cancellationToken)
        where TResult : RequestResult
    {
        try
        {
            Enqueue((PendingRequest)request, place, cancellationToken);
            return request.Answer;
        }
        catch
        {
            request.ReleaseTasks();
            throw;
        }
    }

    private void Enqueue(PendingRequest request, Reservation place, CancellationToken cancellationToken)
    {
        var tokens = request.BranchTokens;
        if (tokens > _options.MaxQueuedTokens)
        {
            throw new WrongInputsException(
                $"The request has {tokens} tokens over its {request.Branches.Length} tasks; at most "
                + $"{_options.MaxQueuedTokens} can wait. Split it.");
        }

        // As many branches at a time as fit into a batch.
        var length = request.Sequence.Tokens.Count;
        var perUnit = Math.Min(_options.MaxBatchBranches, _options.MaxBatchTokens / length);
        QueueRefusal refusal;
        bool isQueued;
        if (request.Branches.Length <= perUnit)
        {
            var unit = Unit(request, 0, request.Branches.Length);
            isQueued = _queue.TryEnqueue(request, new(in unit), place, out refusal, cancellationToken);
        }
        else
        {
            WorkUnit[] units =
            [
                .. Enumerable.Range(0, (request.Branches.Length + perUnit - 1) / perUnit)
                    .Select(i => Unit(request, i * perUnit, perUnit))
            ];
            isQueued = _queue.TryEnqueue(request, units, place, out refusal, cancellationToken);
        }

        if (!isQueued)
            throw new QueueFullException(refusal);
    }

    private WorkUnit Unit(PendingRequest request, int first, int most)
    {
        var branches = Math.Min(most, request.Branches.Length - first);
        var multiplyAdds = branches * _encoder.Config.MultiplyAdds(request.Sequence.Tokens.Count);
        return new(request, first, branches, multiplyAdds >= _options.WholeDeviceMultiplyAdds);
    }
}
