using Google.Rpc;
using Grpc.Core;
using Serving.Client;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>serving.v1.Embedder.</summary>
public sealed class EmbedderTests
{
    [Fact]
    public async Task Embed_WithATask_GivesWhatItsHeadSees()
    {
        await using var server = await TestServer.StartAsync();
        var seen = await server.Client.Classifier.EncodeAsync(new()
        {
            Inputs = { new TextInput { Text = "a b" }, new TextInput { Text = "c" } },
            Task = new() { Task = "t" }
        });
        var response = await server.Client.Embedder.EmbedAsync(new()
        {
            Inputs = { new TextInput { Text = "a b" }, new TextInput { Text = "c" } },
            Task = new() { Task = "t" },
            Normalize = false
        });

        Assert.Equal(seen.Embeddings.Select(own => own.Values), response.Embeddings.Select(own => own.Values));
        Assert.Equal(
            (DataFolder.Model, seen.Version, Pooling.Pooler, 48),
            (response.Model, response.Version, response.Pooling, response.Dimensions));
        Assert.Equal(4, response.Embeddings[0].Usage.Tokens);
    }

    [Fact]
    public async Task Embed_WithoutATask_GivesTheMeanOfTheTokens_OfLengthOne()
    {
        await using var server = await TestServer.StartAsync();
        var response = await server.Client.Embedder.EmbedAsync(new()
        {
            Inputs = { new TextInput { Text = "a b" } },
            TokenVectors = true
        });

        var vector = response.Embeddings.Single();
        var mean = Enumerable.Range(0, 48).Select(
            i => vector.TokenVectors.Average(token => (double)token.Values[i])).ToList();
        var length = Math.Sqrt(mean.Sum(value => value * value));
        Assert.Equal(4, vector.TokenVectors.Count);
        Assert.All(mean.Zip(vector.Values), pair => Assert.Equal(pair.First / length, pair.Second, 1e-5));
        Assert.Equal(("", Pooling.Mean), (response.Version, response.Pooling));
    }

    [Fact]
    public async Task Embed_ClsAndMean_AreOfTheTokenVectors_AlsoUnderAMask()
    {
        await using var server = await TestServer.StartAsync();
        var request = new EmbedRequest
        {
            Inputs = { new TextInput { Text = "a b" } },
            Task = new() { Task = "t" },
            Pooling = Pooling.Cls,
            Normalize = false,
            TokenVectors = true
        };
        var masked = (await server.Client.Embedder.EmbedAsync(request)).Embeddings.Single();
        request.Task = null;
        var plain = (await server.Client.Embedder.EmbedAsync(request)).Embeddings.Single();

        Assert.Equal(masked.TokenVectors[0].Values, masked.Values);
        Assert.Equal(plain.TokenVectors[0].Values, plain.Values);
        Assert.NotEqual(plain.Values, masked.Values);
    }

    [Fact]
    public async Task Generator_OfTheClient_GivesTheSameVectors()
    {
        await using var server = await TestServer.StartAsync("--Server:MaxInputs=2");
        using var generator = new ServingEmbeddingGenerator(server.Client, new() { Task = new() { Task = "t" } });
        string[] texts = ["a b", "c", "a"];

        var generated = await generator.GenerateAsync(texts, new() { Dimensions = 48 });

        for (var i = 0; i < texts.Length; i++)
        {
            var response = await server.Client.Embedder.EmbedAsync(new()
            {
                Inputs = { new TextInput { Text = texts[i] } },
                Task = new() { Task = "t" }
            });
            Assert.Equal(response.Embeddings.Single().Values, generated[i].Vector.ToArray());
            Assert.Equal(response.Model, generated[i].ModelId);
        }

        Assert.Equal(4 + 3 + 3, generated.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task Similarity_IsTheCosineOfVectors()
    {
        await using var server = await TestServer.StartAsync();
        string[] texts = ["a b", "c", "a b"];
        var vectors = (await server.Client.Embedder.EmbedAsync(new()
        {
            Inputs = { texts.Select(text => new TextInput { Text = text }) }
        })).Embeddings;
        var oneToMany = await server.Client.Embedder.SimilarityAsync(new()
        {
            Query = new() { Text = texts[0] },
            Candidates = { texts[1..].Select(text => new TextInput { Text = text }) }
        });
        var pairs = await server.Client.Embedder.SimilarityAsync(new()
        {
            Pairs = { new SimilarityPair { Left = new() { Text = texts[0] }, Right = new() { Text = texts[1] } } }
        });

        var cosine = vectors[0].Values.Zip(vectors[1].Values).Sum(pair => (double)pair.First * pair.Second);
        Assert.Equal(cosine, oneToMany.Scores[0], 1e-5);
        Assert.Equal(1, oneToMany.Scores[1], 1e-6);
        Assert.Equal(oneToMany.Scores[0], pairs.Scores.Single());
        Assert.Equal(4 + 3 + 4, oneToMany.Usage.Tokens);
    }

    [Fact]
    public async Task WhatCannotBe_IsRefusedWithItsField()
    {
        await using var server = await TestServer.StartAsync();
        const StatusCode invalid = StatusCode.InvalidArgument;
        await RefusedAsync(invalid, "inputs", "There are 0; 1 to 256 are taken in one call.", _ => { });
        await RefusedAsync(
            invalid, "inputs[1].text", "The text is empty", request => request.Inputs.Add(Inputs("a", "")));
        await RefusedAsync(
            invalid, "pooling", "9 is no way to pool",
            request => (request.Pooling, request.Model) = ((Pooling)9, DataFolder.Model));
        await RefusedAsync(StatusCode.NotFound, field: null, "nope", request =>
        {
            request.Inputs.Add(Inputs("a"));
            request.Task = new() { Task = "nope" };
        });
        await RefusedAsync(StatusCode.NotFound, field: null, "large", request =>
        {
            request.Inputs.Add(Inputs("a"));
            request.Model = "large";
        });
        var both = new SimilarityRequest
        {
            Pairs = { new SimilarityPair() },
            Query = new() { Text = "a" }
        };
        var mixed = await Assert.ThrowsAsync<RpcException>(
            async () => await server.Client.Embedder.SimilarityAsync(both));
        Assert.Equal("pairs", mixed.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);

        static IEnumerable<TextInput> Inputs(params string[] texts) =>
            texts.Select(text => new TextInput { Text = text });

        async Task RefusedAsync(StatusCode status, string? field, string message, Action<EmbedRequest> change)
        {
            var request = new EmbedRequest();
            change(request);
            if (request.Inputs.Count == 0 && field != "inputs")
                request.Inputs.Add(Inputs("a"));
            var refused = await Assert.ThrowsAsync<RpcException>(
                async () => await server.Client.Embedder.EmbedAsync(request));
            Assert.Equal(status, refused.StatusCode);
            Assert.Contains(message, refused.Status.Detail, StringComparison.Ordinal);
            if (field is not null)
                Assert.Equal(field, refused.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);
        }
    }

    /// <summary>They wait in the queue of classifications, and a full one turns them away.</summary>
    [Fact]
    public async Task Embed_InAFullQueue_IsTurnedAway_WithWhenToTryAgain()
    {
        await using var server = await TestServer.StartAsync("--Server:MaxQueuedRequests=1");
        server.Backend.Close();
        var running = Embed();
        await server.PassBeganAsync();
        var waiting = Embed();
        await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 1, "one waits");
        var refused = await Assert.ThrowsAsync<RpcException>(Embed);
        server.Backend.Open();
        await running;
        await waiting;

        Assert.Equal(StatusCode.ResourceExhausted, refused.StatusCode);
        Assert.NotNull(refused.GetRpcStatus()!.GetDetail<RetryInfo>());

        async Task Embed() =>
            await server.Client.Embedder.EmbedAsync(new() { Inputs = { new TextInput { Text = "a b" } } });
    }
}
