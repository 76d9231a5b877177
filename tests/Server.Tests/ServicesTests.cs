using Google.Protobuf;
using Grpc.Core;
using Grpc.Health.V1;
using Serving.Storage;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>What the services answer, beyond classification.</summary>
public sealed class ServicesTests
{
    [Fact]
    public async Task Encode_GivesTheVectorsThatTheHeadSees()
    {
        await using var server = await TestServer.StartAsync();
        var response = await server.Client.Classifier.EncodeAsync(new()
        {
            Inputs = { new TextInput { Text = "a b" }, new TextInput { Text = "c" } },
            Task = new() { Task = "t" }
        });

        Assert.Equal(2, response.Embeddings.Count);
        Assert.All(response.Embeddings, embedding => Assert.Equal(48, embedding.Values.Count));
        Assert.All(
            response.Embeddings, embedding => Assert.All(embedding.Values, value => Assert.InRange(value, -1, 1)));
        Assert.NotEqual(response.Embeddings[0].Values, response.Embeddings[1].Values);
        Assert.Equal(4, response.Embeddings[0].Usage.Tokens);
        Assert.Equal(64, response.Version.Length);
    }

    [Fact]
    public async Task Tokenize_CountsInCodePoints()
    {
        await using var server = await TestServer.StartAsync();
        var response = await server.Client.Classifier.TokenizeAsync(new()
        {
            // The first is one code point, two UTF-16 units.
            Inputs = { new TextInput { Text = "\U0001F600 ab", Pair = "c" } }
        });

        var tokens = response.Inputs[0].Tokens;
        Assert.Equal(["[CLS]", "[UNK]", "a", "##b", "[SEP]", "c", "[SEP]"], tokens.Select(token => token.Piece));
        Assert.Equal(
            [(0, 0), (0, 1), (2, 3), (3, 4), (0, 0), (0, 1), (0, 0)], tokens.Select(token => (token.Start, token.End)));
        Assert.Equal(Token.Types.Source.Pair, tokens[5].Source);
        Assert.Equal(7, response.Inputs[0].Usage.Tokens);
    }

    [Fact]
    public async Task CompareTasks_MeasuresMasks()
    {
        await using var server = await TestServer.StartAsync();
        var response = await server.Client.Tasks.CompareTasksAsync(new()
        {
            Tasks =
            {
                new TaskReference { Task = "t" }, new TaskReference { Task = "t" }, new TaskReference { Task = "u" }
            }
        });

        Assert.Equal([(0, 1), (0, 2), (1, 2)], response.Comparisons.Select(pair => (pair.First, pair.Second)));
        Assert.Equal(0, response.Comparisons[0].Dissimilarity);
        Assert.InRange(response.Comparisons[1].Dissimilarity, 0.45, 0.55); // Random masks that keep a half.
        Assert.NotEmpty(response.Comparisons[1].DissimilarityByTensor);
    }

    [Fact]
    public async Task ListTasks_ComesInPages()
    {
        await using var server = await TestServer.StartAsync();
        var first = await server.Client.Tasks.ListTasksAsync(new() { PageSize = 1 });
        var second = await server.Client.Tasks.ListTasksAsync(new() { PageSize = 1, PageToken = first.NextPageToken });
        Assert.Equal(["t", "u"], first.Tasks.Concat(second.Tasks).Select(task => task.Name));
        Assert.Equal("", second.NextPageToken);
        var version = first.Tasks[0].Versions.Single();
        Assert.True(version.Loaded && version.ResidentBytes > 0 && version.FileBytes > 0);
        Assert.Equal(DataFolder.Model, version.Model);
        Assert.InRange(version.Density, 0.45, 0.55);
    }

    [Fact]
    public async Task Models_TellShapeMemoryAndLimits()
    {
        await using var server = await TestServer.StartAsync("--Server:MaxInputs=7");
        var model = (await server.Client.Models.ListModelsAsync(new())).Models.Single();
        Assert.Equal((true, 3, 48, 40), (model.Loaded, model.Layers, model.Hidden, model.MaxTokens));
        Assert.Equal(2, model.Memory.TaskVersions);
        Assert.Equal(model.Memory.Total, model.Memory.Parameters + model.Memory.Workspace + model.Memory.Tasks);
        Assert.Equal(server.Engine.Memory.Total, model.Memory.Total);

        var limits = await server.Client.Models.GetLimitsAsync(new());
        Assert.Equal((7, 64, 256), (limits.MaxInputs, limits.MaxTasks, limits.MaxQueuedRequests));
        Assert.Equal((32, 8192), (limits.MaxSequences, limits.MaxCachedTokens));
    }

    [Fact]
    public async Task Health_FollowsEachTask()
    {
        await using var server = await TestServer.StartAsync();
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await StatusAsync("tasks/t"));
        var version = (await server.Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        await server.Client.Tasks.SetAliasAsync(new() { Task = "t", Remove = true });
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await StatusAsync("tasks/t"));
        await server.Client.Tasks.SetAliasAsync(new() { Task = "t", Version = version });
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, await StatusAsync("tasks/t"));
        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model, Force = true });
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.NotServing, await StatusAsync("tasks/t"));

        async Task<HealthCheckResponse.Types.ServingStatus> StatusAsync(string service) =>
            (await server.Client.Health.CheckAsync(new() { Service = service })).Status;
    }

    [Fact]
    public async Task Watch_TakesUpWhatOthersPutIntoTheFolders_AndLetsGoWhatIsGone()
    {
        await using var server = await TestServer.StartAsync();
        var task = Path.Combine(server.Data.Path, "tasks", "t");
        var old = (await server.Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        var written = server.Data.WriteVersion(seed: 9);
        var version = Path.GetFileName(written);

        Directory.Move(written, Path.Combine(task, version));
        await server.Catalog.RescanAsync();
        Assert.Equal(2, (await server.Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Count);
        Assert.Equal(old, await AnsweredByAsync());

        var aliases = Path.Combine(task, "aliases.json");
        await File.WriteAllTextAsync(aliases, (await File.ReadAllTextAsync(aliases)).Replace(old, version));
        await server.Catalog.RescanAsync();
        Assert.Equal(version, await AnsweredByAsync());

        Directory.Delete(Path.Combine(task, old), recursive: true);
        await server.Catalog.RescanAsync();
        Assert.Equal(
            version, Assert.Single((await server.Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions).Version);
        Assert.DoesNotContain(server.Engine.Memory.Tasks, memory => memory.Version == old);

        // A version that is damaged, and aliases that make no sense: what was served stays served.
        await File.WriteAllTextAsync(
            aliases, (await File.ReadAllTextAsync(aliases)).Replace(version, new string('0', 64)));
        await server.Catalog.RescanAsync();
        Assert.Equal(version, await AnsweredByAsync());
        var sound = (await File.ReadAllTextAsync(aliases)).Replace(new string('0', 64), version);
        await File.WriteAllTextAsync(aliases, "{ nonsense");
        await server.Catalog.RescanAsync();
        Assert.Equal(version, await AnsweredByAsync());
        await Assert.ThrowsAsync<RpcException>(() => server.Client.Tasks.SetAliasAsync(
            new() { Task = "t", Version = version, ExpectedCurrentVersion = version }).ResponseAsync);

        // Once repaired it is taken up again.
        await File.WriteAllTextAsync(aliases, sound);
        await server.Catalog.RescanAsync();
        await server.Client.Tasks.SetAliasAsync(new() { Task = "t", Version = version });
        Assert.Equal(version, await AnsweredByAsync());

        async Task<string> AnsweredByAsync() =>
            (await server.Client.ClassifyAsync(["a"], ["t"])).Results[0].Classifications[0].Version;
    }

    [Fact]
    public async Task Classify_MoreThanTheQueueHolds_RunsInParts()
    {
        await using var server = await TestServer.StartAsync("--Server:MaxQueuedRequests=5");
        var texts = Enumerable.Range(0, 100).Select(i => i % 2 == 0 ? "a" : "b c").ToList();
        var response = await server.Client.ClassifyAsync(texts, ["t", "u"]).Within();
        Assert.Equal(100, response.Results.Count);
        Assert.All(response.Results, (result, i) => Assert.Equal(
            response.Results[i % 2].Classifications, result.Classifications));
    }

    [Fact]
    public async Task ClassifyStream_PastAFullQueue_WaitsWhileCallsAreTurnedAway()
    {
        await using var server = await TestServer.StartAsync("--Server:MaxQueuedRequests=1");
        server.Backend.Close();
        var running = server.Client.ClassifyAsync(["a"], ["t"]);
        await server.PassBeganAsync();
        using var stream = server.Client.Classifier.ClassifyStream();
        for (var id = 0; id < 20; id++)
            await stream.RequestStream.WriteAsync(
                new() { Id = id, Input = new() { Text = "a" }, Tasks = { new TaskReference { Task = "t" } } });
        await stream.RequestStream.CompleteAsync();
        await Eventually.TrueAsync(() => server.Engine.QueuedRequests == 20, "the stream's inputs wait");

        var calls = Enumerable.Range(0, 2).Select(_ => server.Client.ClassifyAsync(["a"], ["u"])).ToList();
        await Eventually.TrueAsync(
            () => calls.Exists(call => call.IsFaulted), "one is turned away, and what the stream sent takes no room");
        var refused = calls.Find(call => call.IsFaulted)!;

        Assert.Equal(
            StatusCode.ResourceExhausted, Assert.IsType<RpcException>(refused.Exception!.InnerException).StatusCode);
        server.Backend.Open();
        var answers = await stream.ResponseStream.ReadAllAsync().ToListAsync().AsTask().Within();
        Assert.Equal(Enumerable.Range(0, 20).Select(id => (long)id), answers.Select(answer => answer.Id).Order());
        Assert.All(answers, answer => Assert.Null(answer.Error));
        Assert.Single((await calls.Single(call => call != refused).Within()).Results);
        await running.Within();
    }

    [Fact]
    public async Task Import_ThatIsGivenUp_LeavesNothing()
    {
        await using var server = await TestServer.StartAsync();
        using var cancellation = new CancellationTokenSource();
        using var call = server.Client.Tasks.ImportTask(cancellationToken: cancellation.Token);
        await call.RequestStream.WriteAsync(new() { Header = new() { Task = "new" } });
        await call.RequestStream.WriteAsync(
            new() { Chunk = new() { File = "mask.safetensors", Data = ByteString.CopyFrom(new byte[1000]) } });
        string[] Uploads() => Directory.GetDirectories(Path.Combine(server.Data.Path, "tasks"), ".draft-*");
        await Eventually.TrueAsync(() => Uploads().Length == 1, "the upload has begun");

        await cancellation.CancelAsync();

        await Eventually.TrueAsync(() => Uploads().Length == 0, "the upload is gone");
        Assert.Equal(["t", "u"], (await server.Client.Tasks.ListTasksAsync(new())).Tasks.Select(task => task.Name));
    }

    [Fact]
    public async Task SecondServer_OnTheSameData_IsRefused()
    {
        await using var server = await TestServer.StartAsync();
        var refused = await Assert.ThrowsAsync<DomainException>(() => TestServer.RestartAsync(server.Data));
        Assert.EndsWith(
            "is used by another server; give each server a data root of its own.", refused.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task BrokenAliases_LeaveOtherTasksAlone_AndAreNotOverwritten()
    {
        await using var server = await TestServer.StartAsync();
        var aliases = Path.Combine(server.Data.Path, "tasks", "t", "aliases.json");
        await server.EndAsync();
        await File.WriteAllTextAsync(aliases, "{ nonsense");

        await using var again = await TestServer.RestartAsync(server.Data);
        Assert.Single((await again.Client.ClassifyAsync(["a"], ["u"])).Results);
        var refused = await Assert.ThrowsAsync<RpcException>(() => again.Client.Tasks.SetAliasAsync(
            new() { Task = "t", Version = new string('0', 64) }).ResponseAsync);
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Contains("is no list of aliases", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal("{ nonsense", await File.ReadAllTextAsync(aliases));
    }
}
