using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Server.Configuration;
using Serving.Storage;
using Serving.Text;
using Serving.Text.Bert;
using static Serving.Server.Services.CallChecks;

namespace Serving.Server.Services;

/// <summary>serving.v1.Classifier.</summary>
internal sealed class ClassifierService(
    InputRunner runner, EmbeddingRunner embeddings, Admissions admissions, TaskRouter router, ServerOptions options,
    IHostApplicationLifetime lifetime) : V1.Classifier.ClassifierBase
{
    public override Task<V1.ClassifyResponse> Classify(V1.ClassifyRequest request, ServerCallContext context)
    {
        ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        ThrowUnlessCount("tasks", request.Tasks.Count, options.MaxTasks);
        var place = router.Place(request.RoutingKey);
        var admission = admissions.Admit(new(request.Tasks), place, isPaced: false);
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
        var target = new EmbeddingTarget(Model: "", request.Task, Pooling: null, WantsTokens: false);
        var answer = await embeddings.RunAsync(
            [.. request.Inputs.Select((input, i) => (input, $"inputs[{i}]"))], target,
            Settings(
                request.Truncation, request.Priority, router.Place(key: ""), context.Deadline,
                context.CancellationToken));
        return new()
        {
            Version = answer.Results[0].Version,
            Embeddings =
            {
                answer.Results.Select(
                    result => new V1.Embedding { Values = { result.Vector }, Usage = Messages.Usage(result) })
            }
        };
    }

    public override Task<V1.TokenizeResponse> Tokenize(V1.TokenizeRequest request, ServerCallContext context)
    {
        ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        var host = FindEncoder(router.Table, request.Model);
        var response = new V1.TokenizeResponse();
        for (var i = 0; i < request.Inputs.Count; i++)
        {
            context.CancellationToken.ThrowIfCancellationRequested();
            response.Inputs.Add(Tokenize(host, request.Inputs[i], request.Truncation, $"inputs[{i}]"));
        }

        return Task.FromResult(response);
    }

    private Task<InputScores[]> RunAllAsync(
        IReadOnlyList<V1.TextInput> inputs, IReadOnlyList<V1.TaskReference> tasks, InputAdmission first,
        CallSettings settings) =>
        CallInputs.RunAllAsync(
            inputs.Count,
            (i, cancelled) =>
            {
                var own = settings with { Cancelled = cancelled };
                return i == 0
                    ? runner.RunAsync(inputs[0], tasks, first, own, "inputs[0]")
                    : runner.RunAsync(inputs[i], tasks, own, $"inputs[{i}]");
            },
            settings.Cancelled);

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

    private static V1.TokenizedInput Tokenize(
        EncoderHost host, V1.TextInput input, V1.Truncation truncation, string field)
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
}
