using System.Diagnostics.Metrics;
using Google.Rpc;
using Grpc.Core;
using Grpc.Net.Client;
using Serving.Models;
using Serving.Tensors;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>serving.v1.Generator, beside the services of encoders.</summary>
public sealed class GeneratorTests
{
    private const string Model = "writer";

    [Fact]
    public async Task Generate_SaysWhatHolds_ThenTheText_ThenHowItEnded()
    {
        await using var server = await StartAsync();
        var responses = await RunAsync(server, new() { Prompt = "the cat", Sampling = new() { MaxNewTokens = 9 } });

        var started = responses[0].Started;
        Assert.Equal((Model, 2, false), (started.Model, started.Prompt.Tokens, started.Prompt.Truncated));
        Assert.Equal(server.Catalog.Table.Models[Model].Digest, started.Digest);
        var finished = responses[^1].Finished;
        Assert.Equal((2, 9), (finished.Usage.PromptTokens, finished.Usage.GeneratedTokens));
        Assert.Equal(FinishReason.Length, finished.Answers.Single().FinishReason);
        Assert.InRange(finished.Timing.FirstTokenSeconds, finished.Timing.QueueSeconds, finished.Timing.TotalSeconds);
        Assert.All(responses[1..^1], response => Assert.NotEqual("", response.Text.Text));

        // What came back is a whole request, which gives the same text again.
        Assert.Equal(
            Texts(responses),
            Texts(await RunAsync(server, new() { Prompt = "the cat", Sampling = started.Sampling, Priority = 3 })));
        await NothingIsLeftAsync(server);
    }

    [Fact]
    public async Task Generate_LeftOut_IsAsTheModelHasIt_AndZeroIsZero()
    {
        await using var server = await StartAsync(
            """{"temperature": 0.5, "top_k": 7, "top_p": 0.9, "max_new_tokens": 4, "eos_token_id": [3, 4]}""");
        var own = (await RunAsync(server, new() { Prompt = "a" }))[0].Started.Sampling;
        Assert.Equal((0.5, 7, 0.9, 4), (own.Temperature, own.TopK, own.TopP, own.MaxNewTokens));
        Assert.Equal((1, 1.0, false), (own.NumReturnSequences, own.RepetitionPenalty, own.IgnoreEos));

        var asked = new Sampling { Temperature = 0, TopK = 0, TopP = 1 };
        var given = (await RunAsync(server, new() { Prompt = "a", Sampling = asked }))[0].Started.Sampling;
        Assert.Equal((0.0, 0, 1.0, 4), (given.Temperature, given.TopK, given.TopP, given.MaxNewTokens));

        // A token that ends a text there, for this model.
        var bias = new Sampling { LogitBias = { [4] = 100 } };
        var ended = (await RunAsync(server, new() { Prompt = "a", Sampling = bias }))[^1].Finished.Answers[0];
        Assert.Equal((FinishReason.EndOfText, 1), (ended.FinishReason, ended.Tokens));
    }

    [Fact]
    public async Task Step_WithoutMemory_FailsWhatRuns_WhatIsKeptGoes_AndTheNextSucceeds()
    {
        await using var server = await StartAsync();
        var request = new GenerateRequest { Prompt = "the cat", Sampling = new() { MaxNewTokens = 3, Seed = 1 } };
        var expected = Texts(await RunAsync(server, request)).ToList();
        var trims = server.Backend.Trims;
        server.Backend.Failures.Enqueue(new DeviceMemoryException("cuda:0 has no memory left."));
        // The product's client would wait before its next call.
        using var channel = GrpcChannel.ForAddress(server.Address);
        using var call = new Generator.GeneratorClient(channel).Generate(request);
        var failed = await Assert.ThrowsAsync<RpcException>(
            () => call.ResponseStream.ReadAllAsync().ToListAsync().AsTask());
        Assert.Equal(
            (StatusCode.ResourceExhausted, "cuda:0 has no memory left."), (failed.StatusCode, failed.Status.Detail));
        Assert.Equal(trims + 1, server.Backend.Trims);
        Assert.Equal(expected, Texts(await RunAsync(server, request)));
        await NothingIsLeftAsync(server);
    }

    [Fact]
    public async Task Defaults_OutOfRange_LeaveTheModelOut()
    {
        await using var server = await StartAsync("""{"top_p": 1.5}""");
        var problem = (await server.Client.Models.GetModelAsync(new() { Model = Model })).Problem;
        Assert.EndsWith(
            "generation_config.json: TopP: It is 1.5; it must be above 0, and 1 at most; 1 turns it off.", problem,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Generate_Logprobs_StopStrings_AndSeveralAnswers()
    {
        await using var server = await StartAsync();
        var sampling = new Sampling
        {
            MaxNewTokens = 6,
            Logprobs = true,
            TopLogprobs = 2,
            NumReturnSequences = 3,
            Temperature = 0,
            LogitBias = { ['!'] = 100 },
            Stop = { "!!!" }
        };
        var responses = await RunAsync(server, new() { Prompt = "a", Sampling = sampling });

        Assert.Equal(["", "", ""], Texts(responses));
        Assert.DoesNotContain(responses, response => response.Text is { Tokens.Count: > 0 });
        Assert.Equal(
            Enumerable.Repeat((FinishReason.Stop, 3), 3),
            responses[^1].Finished.Answers.Select(answer => (answer.FinishReason, answer.Tokens)));

        sampling.Stop.Clear();
        responses = await RunAsync(server, new() { Prompt = "a", Sampling = sampling });
        Assert.Equal(["!!!!!!", "!!!!!!", "!!!!!!"], Texts(responses));
        var tokens = responses.Where(response => response.Text?.Answer == 1).SelectMany(r => r.Text.Tokens).ToList();
        Assert.Equal(6, tokens.Count);
        Assert.All(tokens, token =>
        {
            Assert.Equal(('!', "!", 2), ((char)token.Id, token.Text, token.Top.Count));
            Assert.InRange(token.Logprob, token.Top[1].Logprob - 100, token.Top[0].Logprob);
        });
    }

    [Fact]
    public async Task Generate_BeamsAndBestOf_GiveTheBestFirst()
    {
        await using var server = await StartAsync();
        var responses = await RunAsync(server, With(new()
        {
            MaxNewTokens = 6,
            NumBeams = 4,
            NumReturnSequences = 3,
            LengthPenalty = 0.5,
            EarlyStopping = EarlyStopping.WhenCertain,
            TopP = 0.5
        }));

        var effective = responses[0].Started.Sampling;
        Assert.Equal(
            (4, 3, 0.5, EarlyStopping.WhenCertain, 0.0, 1.0),
            (effective.NumBeams, effective.NumReturnSequences, effective.LengthPenalty, effective.EarlyStopping,
                effective.Temperature, effective.TopP));
        var answers = responses[^1].Finished.Answers;
        Assert.Equal(3, answers.Count);
        Assert.Equal(answers.OrderByDescending(answer => answer.Score), answers);
        Assert.Equal(3, answers.Select(answer => answer.Score).Distinct().Count());

        responses = await RunAsync(server, With(new() { MaxNewTokens = 6, Seed = 4, BestOf = 8 }));
        var best = Assert.Single(responses[^1].Finished.Answers);
        responses = await RunAsync(
            server, With(new() { MaxNewTokens = 6, Seed = 4, BestOf = 8, NumReturnSequences = 8 }));
        Assert.Equal(best.Score, responses[^1].Finished.Answers.Max(answer => answer.Score));
        responses = await RunAsync(server, With(new() { MaxNewTokens = 6, Seed = 4 }));
        Assert.False(responses[^1].Finished.Answers[0].HasScore);
    }

    private static IReadOnlyList<(string Field, GenerateRequest Request)> BadRequests =>
    [
        ("sampling.temperature", With(new() { Temperature = double.NaN })),
        ("sampling.temperature", With(new() { Temperature = -1 })),
        ("sampling.top_k", With(new() { TopK = -1 })),
        ("sampling.top_p", With(new() { TopP = 0 })),
        ("sampling.typical_p", With(new() { TypicalP = double.PositiveInfinity })),
        ("sampling.min_p", With(new() { MinP = 1.5 })),
        ("sampling.epsilon_cutoff", With(new() { EpsilonCutoff = -0.1 })),
        ("sampling.eta_cutoff", With(new() { EtaCutoff = 2 })),
        ("sampling.repetition_penalty", With(new() { RepetitionPenalty = 0 })),
        ("sampling.presence_penalty", With(new() { PresencePenalty = 1000 })),
        ("sampling.frequency_penalty", With(new() { FrequencyPenalty = double.NaN })),
        ("sampling.no_repeat_ngram_size", With(new() { NoRepeatNgramSize = -3 })),
        ("sampling.max_new_tokens", With(new() { MaxNewTokens = 0 })),
        ("sampling.min_new_tokens", With(new() { MinNewTokens = 5, MaxNewTokens = 4 })),
        ("sampling.min_new_tokens", With(new() { MinNewTokens = 70, MaxNewTokens = 90 })),
        ("sampling.logit_bias[5000]", With(new() { LogitBias = { [5000] = 1 } })),
        ("sampling.logit_bias[1]", With(new() { LogitBias = { [1] = double.NaN } })),
        ("sampling.stop[1]", With(new() { Stop = { "a", new string('b', 10_000) } })),
        ("sampling.stop[0]", With(new() { Stop = { "" } })),
        ("sampling.stop", With(new() { Stop = { Enumerable.Repeat("a", 17) } })),
        ("sampling.top_logprobs", With(new() { TopLogprobs = 21 })),
        ("sampling.num_return_sequences", With(new() { NumReturnSequences = 0 })),
        ("sampling.num_return_sequences", With(new() { NumReturnSequences = int.MaxValue })),
        ("sampling.num_beams", With(new() { NumBeams = 0 })),
        ("sampling.num_beams", With(new() { NumBeams = 17 })),
        ("sampling.num_return_sequences", With(new() { NumBeams = 2, NumReturnSequences = 3 })),
        ("sampling.length_penalty", With(new() { NumBeams = 2, LengthPenalty = double.NaN })),
        ("sampling.early_stopping", With(new() { NumBeams = 2, EarlyStopping = (EarlyStopping)9 })),
        ("sampling.temperature", With(new() { NumBeams = 2, Temperature = double.NaN })),
        ("sampling.top_p", With(new() { NumBeams = 2, TopP = 5 })),
        ("sampling.top_logprobs", With(new() { NumBeams = 2, TopLogprobs = 1 })),
        ("sampling.best_of", With(new() { BestOf = 17 })),
        ("sampling.best_of", With(new() { BestOf = 2, NumReturnSequences = 3 })),
        ("sampling.best_of", With(new() { BestOf = 2, NumBeams = 2 })),
        ("prompt", new() { Prompt = new string('#', 65) }),
        ("truncation", new() { Prompt = "a", Truncation = (PromptTruncation)9 }),
        ("priority", new() { Prompt = "a", Priority = 101 }),
        ("user", new() { Prompt = "a", User = new string('u', 257) }),
        ("model", new() { Prompt = "a", Model = DataFolder.Model }),
        ("model", new() { Prompt = "a", Model = "../x" })
    ];

    [Fact]
    public async Task Generate_BadInput_IsNamed_AndDisturbsNobody()
    {
        await using var server = await StartAsync();
        server.Backend.Close();
        var beside = RunAsync(server, With(new() { MaxNewTokens = 12, Seed = 1 }));
        await server.PassBeganAsync();
        foreach (var (field, request) in BadRequests)
        {
            var error = await Assert.ThrowsAsync<RpcException>(() => RunAsync(server, request));
            Assert.True(error.StatusCode == StatusCode.InvalidArgument, $"{field}: {error.Status}");
            Assert.Equal(
                field, error.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);
        }

        var missing = await Assert.ThrowsAsync<RpcException>(
            () => RunAsync(server, new() { Prompt = "a", Model = "writter" }));
        Assert.Equal(StatusCode.NotFound, missing.StatusCode);
        Assert.Contains("'writer'", missing.Status.Detail, StringComparison.Ordinal);
        server.Backend.Open();

        var alone = await RunAsync(server, With(new() { MaxNewTokens = 12, Seed = 1 }));
        Assert.Equal(Texts(alone), Texts(await beside));
        await NothingIsLeftAsync(server);
        Assert.Empty(server.Logs.Errors);
    }

    [Fact]
    public async Task Generate_PromptTooLong_LosesItsBeginning_AndSaysSo()
    {
        await using var server = await StartAsync();
        var prompt = (await RunAsync(server, new()
        {
            Prompt = new string('#', 70),
            Truncation = PromptTruncation.Left,
            Sampling = new() { MaxNewTokens = 5 }
        }))[0].Started.Prompt;
        Assert.Equal((60, 70, true), (prompt.Tokens, prompt.InputTokens, prompt.Truncated));
        var usage = (await RunAsync(server, new() { Prompt = new string('#', 60), Sampling = new() { Seed = 1 } }))[^1]
            .Finished.Usage;
        Assert.Equal((60, 48), (usage.PromptTokens, usage.CachedPromptTokens)); // Three full blocks.
    }

    [Fact]
    public async Task Generate_FirstToken_LeavesBeforeTheSecondIsComputed_AndACancelledCallFreesItsCache()
    {
        await using var server = await StartAsync();
        server.Backend.Close();
        var cancelled = new TaskCompletionSource();
        using var listener = new MeterListener();
        listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument.Name == "serving.requests.cancelled")
                listener.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
        {
            if (tags.ToArray().Any(tag => tag.Value as string == Model))
                cancelled.TrySetResult();
        });
        listener.Start();
        var sampling = new Sampling { MaxNewTokens = 50, LogitBias = { ['!'] = 100 } };
        using (var call = server.Client.Generator.Generate(With(sampling)))
        {
            Assert.True(await call.ResponseStream.MoveNext(default).Within());
            await server.PassBeganAsync();
            server.Backend.OpenForOne();
            Assert.True(await call.ResponseStream.MoveNext(default).Within());
            Assert.Equal("!", call.ResponseStream.Current.Text.Text);
            await server.PassBeganAsync(); // The second stands at the gate.
            Assert.Equal(1, server.Generator.RunningSequences);
        }

        await cancelled.Task.Within();
        server.Backend.Open();
        await NothingIsLeftAsync(server);
        Assert.Equal(2, server.Backend.Passes.Count);
    }

    [Fact]
    public async Task Generate_NobodyReads_TheModelIsFreeForOthers()
    {
        await using var server = await StartAsync();
        var calls = Enumerable.Range(0, 50).Select(_ => server.Client.Generator.Generate(
            With(new() { MaxNewTokens = 60, NumReturnSequences = 4, TopLogprobs = 20 }))).ToList();

        foreach (var call in calls)
            Assert.True(await call.ResponseStream.MoveNext(default).Within()); // It is admitted; no more is read.
        await NothingIsLeftAsync(server);
        Assert.Equal(8, (await RunAsync(server, With(new() { MaxNewTokens = 8 })))[^1].Finished.Usage.GeneratedTokens);
        foreach (var call in calls)
            call.Dispose();
    }

    [Fact]
    public async Task Score_SumsUpToWhatGenerationSays()
    {
        await using var server = await StartAsync();
        var sampling = new Sampling { MaxNewTokens = 5, Temperature = 0, Logprobs = true, LogitBias = { ['!'] = 100 } };
        var generated = (await RunAsync(server, With(sampling)))
            .SelectMany(response => response.Text?.Tokens ?? []).ToList();

        var response = await server.Client.Generator.ScoreAsync(new()
        {
            Inputs = { new ScoreInput { Context = "a", Text = "!!!!!" }, new ScoreInput { Text = "the cat" } }
        });

        Assert.Equal((Model, 2), (response.Model, response.Texts.Count));
        var scored = response.Texts[0];
        Assert.Equal((1, 5), (scored.ContextTokens, scored.Tokens.Count));
        Assert.Equal(generated.Select(token => token.Logprob), scored.Tokens.Select(token => token.Logprob));
        Assert.Equal(generated.Sum(token => token.Logprob), scored.Logprob, 1e-9);
        Assert.Equal(Math.Exp(-scored.Logprob / 5), scored.Perplexity, 1e-6);
        Assert.Equal(["the", " cat"], response.Texts[1].Tokens.Select(token => token.Text));
        var error = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.Generator.ScoreAsync(
            new() { Inputs = { new ScoreInput { Text = "a" }, new ScoreInput { Text = "" } } }));
        Assert.Equal(
            "inputs[1].text", error.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);
        await NothingIsLeftAsync(server);
    }

    [Fact]
    public async Task ModelThatComesAndGoes_AnswersOrIsNotThere()
    {
        await using var server = await StartAsync();
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var codes = new HashSet<StatusCode>();
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await server.Client.Generator.ScoreAsync(new()
                    {
                        Model = Model,
                        Inputs = { new ScoreInput { Text = "a" }, new ScoreInput { Text = "b" } }
                    });
                    codes.Add(StatusCode.OK);
                }
                catch (RpcException exception)
                {
                    codes.Add(exception.StatusCode);
                }
            }

            return codes;
        })).ToArray();

        for (var i = 0; i < 50; i++)
        {
            await server.Client.Models.UnloadModelAsync(new() { Model = Model });
            await server.Client.Models.LoadModelAsync(new() { Model = Model });
        }

        await stop.CancelAsync();
        Assert.Subset(
            new HashSet<StatusCode> { StatusCode.OK, StatusCode.NotFound },
            (await Task.WhenAll(clients).Within()).SelectMany(codes => codes).ToHashSet());
    }

    [Fact]
    public async Task Model_IsListed_UnloadedToTheLastByte_ImportedAndDeleted()
    {
        await using var server = await StartAsync();
        await RunAsync(server, With(new() { MaxNewTokens = 3 }));
        var models = (await server.Client.Models.ListModelsAsync(new())).Models;
        Assert.Equal(
            [(DataFolder.Model, "bert"), (Model, "gpt2")], models.Select(model => (model.Name, model.Architecture)));
        var memory = models[1].Memory;
        Assert.True(memory.Cache > 0 && memory.Total == memory.Parameters + memory.Workspace + memory.Cache);
        var error = await Assert.ThrowsAsync<RpcException>(async () => await server.Client.Embedder.EmbedAsync(
            new() { Inputs = { new TextInput { Text = "a" } }, Model = Model }));
        Assert.Contains("is a gpt2, and no model that encodes texts", error.Status.Detail, StringComparison.Ordinal);

        var before = server.Backend.AllocatedBytes;
        var freed = (await server.Client.Models.UnloadModelAsync(new() { Model = Model })).FreedBytes;
        Assert.Equal((memory.Total, before - memory.Total), (freed, server.Backend.AllocatedBytes));
        var none = await Assert.ThrowsAsync<RpcException>(() => RunAsync(server, new() { Prompt = "a" }));
        Assert.Equal(StatusCode.FailedPrecondition, none.StatusCode);
        await server.Client.Models.DeleteModelAsync(new() { Model = Model });

        using var elsewhere = new TemporaryFolder();
        RandomGpt2.Write(elsewhere.Path, seed: 9);
        await File.WriteAllTextAsync(Path.Combine(elsewhere.Path, ModelFiles.GenerationConfig), """{"top_k": 3}""");
        var imported = await server.Client.ImportModelAsync(new() { Model = "other" }, elsewhere.Path);
        Assert.True(imported.Loaded, imported.Problem);
        Assert.Equal(3, (await RunAsync(server, new() { Prompt = "a" }))[0].Started.Sampling.TopK);
    }

    /// <summary>A server with an encoder and a generator.</summary>
    private static async Task<TestServer> StartAsync(string? generationConfig = null)
    {
        var data = new DataFolder();
        var folder = Path.Combine(data.Path, "models", Model);
        RandomGpt2.Write(folder);
        if (generationConfig is not null)
            await File.WriteAllTextAsync(Path.Combine(folder, ModelFiles.GenerationConfig), generationConfig);
        return await TestServer.RestartAsync(data);
    }

    private static GenerateRequest With(Sampling sampling)
    {
        sampling.IgnoreEos = true;
        return new() { Prompt = "a", Sampling = sampling };
    }

    private static async Task<List<GenerateResponse>> RunAsync(TestServer server, GenerateRequest request)
    {
        var responses = new List<GenerateResponse>();
        await foreach (var response in server.Client.GenerateAsync(request))
            responses.Add(response);
        return responses;
    }

    /// <summary>The answers.</summary>
    private static IEnumerable<string> Texts(List<GenerateResponse> responses) =>
        Enumerable.Range(0, responses[0].Started.Sampling.NumReturnSequences).Select(answer => string.Concat(
            responses.Where(response => response.Text?.Answer == answer).Select(response => response.Text.Text)));

    private static Task NothingIsLeftAsync(TestServer server) => Eventually.TrueAsync(
        () => server.Generator is var engine
            && (engine.QueuedRequests, engine.QueuedTokens, engine.RunningSequences, engine.UsedBlocks) == default,
        "the engine is empty");
}
