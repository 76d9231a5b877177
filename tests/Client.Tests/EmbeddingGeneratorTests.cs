using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.Extensions.AI;
using Serving.Testing;
using Serving.V1;
using Embedding = Serving.V1.Embedding;

namespace Serving.Client.Tests;

/// <summary>The generator of embeddings: what it asks for, and what it makes of the answers.</summary>
public sealed class EmbeddingGeneratorTests
{
    private readonly ConcurrentQueue<EmbedRequest> _requests = new();

    [Theory]
    [InlineData(2, 64, 5, new[] { 2, 2, 1 })] // The server's limit.
    [InlineData(256, 3, 5, new[] { 3, 2 })] // The client's.
    [InlineData(256, 64, 5, new[] { 5 })]
    [InlineData(256, 64, 0, new int[0])]
    public async Task Texts_GoInCallsThatTheServerTakes_AndComeInTheirOrder(
        int serverTakes, int maxInputs, int texts, int[] calls)
    {
        await using var server = await StartAsync(serverTakes);
        using var client = new ServingClient(server.Options());
        using var generator = new ServingEmbeddingGenerator(client, new() { MaxInputs = maxInputs });

        var generated = await generator.GenerateAsync(
            Enumerable.Range(1, texts).Select(length => new string('a', length))).Within();

        Assert.Equal(calls, _requests.Select(request => request.Inputs.Count));
        Assert.Equal(
            Enumerable.Range(1, texts).Select(length => new[] { length, 0.5f }),
            generated.Select(embedding => embedding.Vector.ToArray()));
        Assert.All(generated, embedding => Assert.Equal("only", embedding.ModelId));
        Assert.Equal(texts * (texts + 1) / 2, generated.Usage!.InputTokenCount); // 1 + 2 + ...
        Assert.Equal(generated.Usage.InputTokenCount, generated.Usage.TotalTokenCount);
    }

    [Fact]
    public async Task Options_AreWhatTheServerIsAskedFor_AndModelIdComesFirst()
    {
        await using var server = await StartAsync();
        using var client = new ServingClient(server.Options());
        var task = new TaskReference { Task = "t", Alias = "staging" };
        using var generator = new ServingEmbeddingGenerator(client, new()
        {
            Model = "own",
            Task = task,
            Pooling = Pooling.Cls,
            Normalize = false,
            Truncation = Truncation.Right
        });
        using var plain = new ServingEmbeddingGenerator(client);

        await generator.GenerateAsync(["a"]).Within();
        await generator.GenerateAsync(["a"], new() { ModelId = "other", Dimensions = 2 }).Within();
        await plain.GenerateAsync(["a"]).Within();

        var expected = new EmbedRequest
        {
            Inputs = { new TextInput { Text = "a" } },
            Model = "own",
            Task = task,
            Pooling = Pooling.Cls,
            Normalize = false,
            Truncation = Truncation.Right
        };
        var other = new EmbedRequest(expected) { Model = "other" };
        var bare = new EmbedRequest { Inputs = { new TextInput { Text = "a" } }, Normalize = true };
        Assert.Equal([expected, other, bare], _requests);
    }

    [Fact]
    public async Task Dimensions_ThatTheModelDoesNotHave_AreRefused()
    {
        await using var server = await StartAsync();
        using var client = new ServingClient(server.Options());
        using var generator = new ServingEmbeddingGenerator(client);

        var failure = await Assert.ThrowsAsync<ArgumentException>(
            () => generator.GenerateAsync(["a"], new() { Dimensions = 3 }).Within());

        Assert.Equal(
            "Dimensions is 3; the vectors of 'only' have 2. Leave it out, or take another model.", failure.Message);
    }

    [Fact]
    public async Task Cancellation_EndsTheCall_AsAnyOther()
    {
        using var cancellation = new CancellationTokenSource();
        var ended = new TaskCompletionSource();
        await using var server = await ScriptedServer.StartAsync(new()
        {
            OnEmbed = async (_, context) =>
            {
                context.CancellationToken.Register(ended.SetResult);
                await cancellation.CancelAsync();
                await ended.Task;
                throw Failures.Of(StatusCode.Cancelled);
            }
        });
        using var client = new ServingClient(server.Options());
        using var generator = new ServingEmbeddingGenerator(client);

        var failure = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => generator.GenerateAsync(["a"], cancellationToken: cancellation.Token).Within());

        Assert.Equal(cancellation.Token, failure.CancellationToken);
        await ended.Task.Within();
    }

    [Fact]
    public async Task Failures_AreThoseOfTheServer()
    {
        await using var server = await ScriptedServer.StartAsync(
            new() { OnEmbed = (_, _) => throw Failures.Of(StatusCode.NotFound) });
        using var client = new ServingClient(server.Options());
        using var generator = new ServingEmbeddingGenerator(client);

        var failure = await Assert.ThrowsAsync<RpcException>(() => generator.GenerateAsync(["a"]).Within());

        Assert.Equal(StatusCode.NotFound, failure.StatusCode);
    }

    [Fact]
    public void GetService_GivesMetadataClientAndItself()
    {
        using var client = new ServingClient("http://localhost:5050");
        using var generator = new ServingEmbeddingGenerator(client, new() { Model = "own" });
        IEmbeddingGenerator<string, Embedding<float>> any = generator;

        var metadata = any.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.Equal(
            ("serving", new Uri("http://localhost:5050"), "own"),
            (metadata.ProviderName, metadata.ProviderUri, metadata.DefaultModelId));
        Assert.Same(client, any.GetService<ServingClient>());
        Assert.Same(generator, any.GetService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Null(any.GetService<ServingClient>("key"));
        Assert.Null(any.GetService<string>());
    }

    [Fact]
    public void MaxInputs_BelowOne_IsRefused()
    {
        using var client = new ServingClient("http://localhost:5050");
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new ServingEmbeddingGenerator(client, new() { MaxInputs = 0 }));
    }

    /// <summary>A server whose vectors are a text's length and a half; a letter is a token.</summary>
    private Task<ScriptedServer> StartAsync(int takes = 256) => ScriptedServer.StartAsync(new()
    {
        OnLimits = _ => Task.FromResult(new Limits { MaxInputs = takes }),
        OnEmbed = (request, _) =>
        {
            _requests.Enqueue(request);
            return Task.FromResult(new EmbedResponse
            {
                Embeddings =
                {
                    request.Inputs.Select(input => new Embedding
                    {
                        Values = { input.Text.Length, 0.5f },
                        Usage = new() { Tokens = input.Text.Length }
                    })
                },
                Model = "only",
                Dimensions = 2
            });
        }
    });
}
