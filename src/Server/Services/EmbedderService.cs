using Grpc.Core;
using Serving.Catalog;
using Serving.Server.Configuration;
using Serving.Storage;

namespace Serving.Server.Services;

/// <summary>serving.v1.Embedder.</summary>
internal sealed class EmbedderService(EmbeddingRunner runner, TaskRouter router, ServerOptions options)
    : V1.Embedder.EmbedderBase
{
    public override async Task<V1.EmbedResponse> Embed(V1.EmbedRequest request, ServerCallContext context)
    {
        CallChecks.ThrowUnlessCount("inputs", request.Inputs.Count, options.MaxInputs);
        var target = Target(request.Model, request.Task, request.Pooling) with { WantsTokens = request.TokenVectors };
        var settings = CallChecks.Settings(
            request.Truncation, request.Priority, router.Place(request.RoutingKey), context.Deadline,
            context.CancellationToken);
        var answer = await runner.RunAsync(
            [.. request.Inputs.Select((input, i) => (input, $"inputs[{i}]"))], target, settings);
        var normalizes = !request.HasNormalize || request.Normalize;
        var first = answer.Results[0];
        return new()
        {
            Embeddings = { answer.Results.Select(result => Messages.Embedding(result, normalizes)) },
            Model = answer.Model,
            Version = first.Version ?? "",
            Pooling = Messages.Pooling(first.Pooling),
            Dimensions = first.Vector.Length
        };
    }

    public override async Task<V1.SimilarityResponse> Similarity(
        V1.SimilarityRequest request, ServerCallContext context)
    {
        var texts = Texts(request);
        var settings = CallChecks.Settings(
            request.Truncation, request.Priority, router.Place(request.RoutingKey), context.Deadline,
            context.CancellationToken);
        var answer = await runner.RunAsync(
            texts, Target(request.Model, request.Task, request.Pooling), settings);
        var vectors = answer.Results;
        var tokens = vectors.Sum(result => result.Tokens);
        var dropped = vectors.Sum(result => result.DroppedTokens);
        return new()
        {
            Scores =
            {
                request.Query is null
                    ? vectors.Chunk(2).Select(pair => Vectors.Cosine(pair[0].Vector, pair[1].Vector))
                    : vectors.Skip(1).Select(other => Vectors.Cosine(vectors[0].Vector, other.Vector))
            },
            Usage = new() { Tokens = tokens, InputTokens = tokens + dropped, Truncated = dropped > 0 },
            Model = answer.Model,
            Version = vectors[0].Version ?? "",
            Pooling = Messages.Pooling(vectors[0].Pooling)
        };
    }

    /// <summary>Left and right of each pair, or the query and the candidates.</summary>
    private List<(V1.TextInput Text, string Path)> Texts(V1.SimilarityRequest request)
    {
        if (request.Pairs.Count > 0 && (request.Query is not null || request.Candidates.Count > 0))
            throw Errors.InvalidArgument("pairs", "There are pairs and a query or candidates; give one or the other.");
        if (request.Query is null && request.Candidates.Count > 0)
            throw Errors.InvalidArgument("query", "It is missing; the candidates are compared with it.");
        if (request.Query is null)
        {
            CallChecks.ThrowUnlessCount("pairs", request.Pairs.Count, options.MaxInputs / 2);
            return
            [
                .. request.Pairs.SelectMany((pair, i) => new[]
                {
                    (pair.Left ?? new(), $"pairs[{i}].left"), (pair.Right ?? new(), $"pairs[{i}].right")
                })
            ];
        }

        CallChecks.ThrowUnlessCount("candidates", request.Candidates.Count, options.MaxInputs - 1);
        return
        [
            (request.Query, "query"), .. request.Candidates.Select((text, i) => (text, $"candidates[{i}]"))
        ];
    }

    private static EmbeddingTarget Target(string model, V1.TaskReference? task, V1.Pooling pooling)
    {
        if (task is not null)
            ResourceName.Require("task.task", task.Task);
        return new(model, task, Messages.Pooling(pooling), WantsTokens: false);
    }
}
