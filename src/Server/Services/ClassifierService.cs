using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Server.Configuration;
using Serving.Storage;
using Serving.Text;
using Serving.Text.Bert;

namespace Serving.Server.Services;

/// <summary>serving.v1.Classifier.</summary>
internal sealed class ClassifierService(
    InputRunner runner, TaskRouter router, ServerOptions options,
    IHostApplicationLifetime lifetime) : V1.Classifier.ClassifierBase
{
    private const int LargestPriority = 100;

    public override Task<V1.ClassifyResponse> Classify(V1.ClassifyRequest request, ServerCallContext context)
    {
        ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        ThrowUnlessCount("tasks", request.Tasks.Count, options.MaxTasks);
        var place = router.Place(request.RoutingKey);
        var admission = runner.Admit(request.Tasks, place, isPaced: false);
        return admission.Refusal is { } refusal
            ? Task.FromException<V1.ClassifyResponse>(refusal)
            : AnswerAsync();

        async Task<V1.ClassifyResponse> AnswerAsync()
        {
            using var first = admission;
            var settings = Settings(
                request.Truncation, request.Priority, place, context.Deadline, context.CancellationToken);
            return new()
            {
                Results = { (
                await RunAllAsync(request.Inputs, request.Tasks, first, settings)).Select(Messages.Result) }
            };
        }
    }

    public override Task ClassifyStream(
        IAsyncStreamReader<V1.ClassifyStreamRequest> requestStream,
        IServerStreamWriter<V1.ClassifyStreamResponse> responseStream,
        ServerCallContext context) =>
        new ClassifyPipeline(requestStream, responseStream, options.MaxStreamInputsInFlight, AnswerAsync)
            .RunAsync(lifetime.ApplicationStopping, context.CancellationToken);

    public override async Task<V1.EncodeResponse> Encode(V1.EncodeRequest request, ServerCallContext context)
    {
        ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        ResourceName.Require("task.task", request.Task?.Task ?? "");
        V1.TaskReference[] tasks = [request.Task!];
        var place = router.Place(key: "");
        using var first = runner.Admit(tasks, place, isPaced: false);
        if (first.Refusal is { } refusal)
            throw refusal;
        var settings = Settings(
            request.Truncation, request.Priority, place, context.Deadline, context.CancellationToken);
        var results = await RunAllAsync(request.Inputs, tasks, first, settings with { WantsPooled = true });
        return new()
        {
            Version = results[0].Scores[0].Version,
            Embeddings =
            {
                results.Select(
                    result => new V1.Embedding { Values = { result.Scores[0].Pooled }, Usage = Messages.Usage(
                        result.Whole) })
            }
        };
    }

    public override Task<V1.TokenizeResponse> Tokenize(V1.TokenizeRequest request, ServerCallContext context)
    {
        ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        var host = FindModel(request.Model);
        var response = new V1.TokenizeResponse();
        for (var i = 0; i < request.Inputs.Count; i++)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            response.Inputs.Add(Tokenize(host, request.Inputs[i], request.Truncation, $"inputs[{i}]"));
        }

        return Task.FromResult(response);
    }

    /// <summary>
    /// Runs all inputs of a call whose first has a place; the first that fails fails the call and gives the others up.
    /// </summary>
    /// <remarks>
    /// A call is turned away by its first input. Once that is in, the others wait for room that earlier ones leave, so
    /// that a call larger than the queue runs through it in parts.
    /// </remarks>
    private async Task<InputScores[]> RunAllAsync(
        IReadOnlyList<V1.TextInput> inputs, IReadOnlyList<V1.TaskReference> tasks, InputAdmission first,
        CallSettings settings)
    {
        if (inputs.Count == 1)
            return [await runner.RunAsync(inputs[0], tasks, first, settings, "inputs[0]")];
        using var abandon = CancellationTokenSource.CreateLinkedTokenSource(settings.Cancelled);
        var shared = settings with { Cancelled = abandon.Token };
        var running = new List<Task<InputScores>>(inputs.Count);
        try
        {
            for (var i = 0; i < inputs.Count; i++)
            {
                // Found before asking for a place: if it ends in between, there is room, though nothing is left to wait
                // for.
                var earlier = running.Find(IsUnderWay);
                var task = StartAsync(i);
                while (IsTurnedAway(task) && earlier is not null)
                {
                    await earlier;
                    earlier = running.Find(IsUnderWay);
                    task = StartAsync(i);
                }

                running.Add(task);
                if (task.IsFaulted)
                    break;
            }

            await foreach (var done in Task.WhenEach(running))
                await done;
            return [.. running.Select(task => task.Result)];
        }
        catch
        {
            // Until each has seen it: a source that is disposed of before tells the rest nothing.
            await abandon.CancelAsync();
            await Task.WhenAll(running.Select(task => (Task)task)).ConfigureAwait(
                ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        Task<InputScores> StartAsync(int i) => i == 0
            ? runner.RunAsync(inputs[0], tasks, first, shared, "inputs[0]")
            : runner.RunAsync(inputs[i], tasks, shared, $"inputs[{i}]");
    }

    private static bool IsUnderWay(Task task) => !task.IsCompleted;

    private static bool IsTurnedAway(Task task) =>
        task.Exception?.InnerException is RpcException { StatusCode: StatusCode.ResourceExhausted };

    private async Task<V1.ClassifyStreamResponse> AnswerAsync(
        V1.ClassifyStreamRequest request, CancellationToken cancelled)
    {
        try
        {
            ThrowUnlessCount("tasks", request.Tasks.Count, options.MaxTasks);
            var place = router.Place(request.RoutingKey);

            // A stream is slowed down by its inputs in work, so they wait where a call would be turned away.
            var settings = Settings(request.Truncation, request.Priority, place, DateTime.MaxValue, cancelled) with
            {
                IsPaced = true
            };
            return new()
            {
                Id = request.Id,
                Result = Messages.Result(
                    await runner.RunAsync(request.Input ?? new(), request.Tasks, settings, "input"))
            };
        }
        catch (RpcException exception)
        {
            var status = exception.GetRpcStatus()
                ?? new() { Code = (int)exception.StatusCode, Message = exception.Status.Detail };
            return new() { Id = request.Id, Error = status };
        }
    }

    private static CallSettings Settings(
        V1.Truncation truncation, int priority, double place, DateTime deadline, CancellationToken cancelled)
    {
        if (priority is < -LargestPriority or > LargestPriority)
            throw Errors.InvalidArgument(
                "priority", $"{priority} is out of range; {-LargestPriority} to {LargestPriority} is needed.");
        return new(
            Messages.Truncation(truncation),
            priority,
            place,
            deadline == DateTime.MaxValue ? null : new DateTimeOffset(deadline),
            cancelled);
    }

    private ModelHost FindModel(string name)
    {
        var models = router.Table.Models;
        if (name.Length > 0)
        {
            return models.GetValueOrDefault(ResourceName.Require("model", name))
                ?? throw Errors.NotFound("loaded model", name, models.Keys);
        }

        return models.Count switch
        {
            1 => models.Values.First(),
            0 => throw Errors.FailedPrecondition("models", "No model is loaded; load one first."),
            _ => throw Errors.InvalidArgument(
                "model", $"{models.Count} models are loaded; name one: {string.Join(", ", models.Keys)}.")
        };
    }

    private static V1.TokenizedInput Tokenize(
        ModelHost host, V1.TextInput input, V1.Truncation truncation, string field)
    {
        var maxTokens = truncation == V1.Truncation.Unspecified ? int.MaxValue : host.Config.MaxPositions;
        var pair = input.HasPair ? input.Pair : null;
        TokenSequence sequence;
        try
        {
            sequence = host.Tokenizer.Encode(input.Text, pair, maxTokens, Messages.Truncation(truncation));
        }
        catch (InvalidTextException exception)
        {
            throw EngineErrors.OfInput(exception, field);
        }

        return Messages.Tokenized(sequence, host.Tokenizer.Vocabulary, input.Text, pair);
    }

    private static void ThrowUnlessCount(string field, int count, int most)
    {
        if (count < 1 || count > most)
            throw Errors.InvalidArgument(field, $"There are {count}; 1 to {most} are taken in one call.");
    }
}
