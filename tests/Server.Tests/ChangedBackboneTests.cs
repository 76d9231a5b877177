using Grpc.Core;
using Serving.Client;
using Serving.Testing;

namespace Serving.Server.Tests;

/// <summary>A task is for a backbone with its tokenizer: with another one it is refused, not answered.</summary>
public sealed class ChangedBackboneTests
{
    private static readonly string[] Tasks = ["old", "t"];

    [Theory]
    [InlineData("vocab.txt")]
    [InlineData("tokenizer_config.json")]
    [InlineData("config.json")]
    public async Task Task_OfAFolderThatChanged_IsRefusedWithTheReason_UntilItIsAsBefore(string file)
    {
        await using var server = await TestServer.StartAsync();
        await server.Client.ImportTaskAsync("old", server.Data.WriteOldVersion(seed: 3), alias: "production");
        var before = await AnswersAsync(server);
        var path = Path.Combine(server.Data.Path, "models", DataFolder.Model, file);
        var original = File.Exists(path) ? File.ReadAllText(path) : null;

        await ReloadAsync(server, () => File.WriteAllText(path, Changed(file, original)));
        foreach (var task in Tasks)
        {
            var error = await Assert.ThrowsAsync<RpcException>(() => server.Client.ClassifyAsync(["a b c"], [task]));
            Assert.Equal(StatusCode.FailedPrecondition, error.StatusCode);
            Assert.Contains("of the model 'small' the weights are the same, but its ", error.Status.Detail);
            Assert.Contains("has changed since", error.Status.Detail);
        }

        Assert.Equal(3, server.Logs.Errors.Count(error => error.Contains("of the model small the weights")));

        await ReloadAsync(server, () =>
        {
            if (original is null)
                File.Delete(path);
            else
                File.WriteAllText(path, original);
        });
        Assert.Equal(before, await AnswersAsync(server));
    }

    [Theory]
    [InlineData("vocab.txt")]
    [InlineData("tokenizer_config.json")]
    [InlineData("config.json")]
    public async Task JobOverATask_WhoseModelsFilesChangedUnderTheServer_IsRefusedWithTheReason(string file)
    {
        await using var server = await TestServer.StartAsync();
        await server.Client.ImportTaskAsync("old", server.Data.WriteOldVersion(seed: 3), alias: "production");
        await TrainingServer.UploadAsync(server, "data", ["a b\teven", "b a\todd"]);
        var path = Path.Combine(server.Data.Path, "models", DataFolder.Model, file);
        File.WriteAllText(path, Changed(file, File.Exists(path) ? File.ReadAllText(path) : null));
        foreach (var task in Tasks)
        {
            var reference = new V1.TaskReference { Task = task };
            V1.JobSpec[] specs =
            [
                new() { Evaluation = new() { Task = reference, Dataset = "data" } },
                new() { Projection = new() { Task = reference, Dataset = "data" } },
                new() { Memory = new() { Task = reference } }
            ];
            foreach (var spec in specs)
            {
                var error = await Assert.ThrowsAsync<RpcException>(
                    () => server.Client.Jobs.SubmitJobAsync(new() { Spec = spec }).ResponseAsync);
                Assert.Equal(StatusCode.FailedPrecondition, error.StatusCode);
                Assert.Contains("and the files of the model 'small' have become ", error.Status.Detail);
                Assert.Contains("has changed since", error.Status.Detail);
            }
        }
    }

    [Fact]
    public async Task Task_OfFilesThatCameBackSinceTheModelWasLoaded_SaysToLoadItAgain()
    {
        await using var server = await TestServer.StartAsync();
        var vocabulary = Path.Combine(server.Data.Path, "models", DataFolder.Model, "vocab.txt");
        var original = File.ReadAllText(vocabulary);
        await ReloadAsync(server, () => File.WriteAllText(vocabulary, Changed("vocab.txt", original)));

        File.WriteAllText(vocabulary, original);
        var error = await Assert.ThrowsAsync<RpcException>(() => server.Client.ClassifyAsync(["a b c"], ["t"]));

        Assert.Contains("the files of the model 'small' have changed since it was loaded", error.Status.Detail);
        Assert.EndsWith("unload it and load it again.", error.Status.Detail, StringComparison.Ordinal);
        await ReloadAsync(server, () => { });
        _ = await server.Client.ClassifyAsync(["a b c"], ["t"]);
    }

    [Fact]
    public async Task OldVersion_IsServedAfterARestart_AndRefusedAfterAChangeBetweenTwo()
    {
        using var data = new DataFolder();
        var folder = data.WriteOldVersion(seed: 3);
        var first = await TestServer.RestartAsync(data);
        await first.Client.ImportTaskAsync("old", folder, alias: "production");
        await first.EndAsync();

        var second = await TestServer.RestartAsync(data);
        _ = await second.Client.ClassifyAsync(["a b c"], ["old"]);
        await second.EndAsync();

        var vocabulary = Path.Combine(data.Path, "models", DataFolder.Model, "vocab.txt");
        File.WriteAllText(vocabulary, Changed("vocab.txt", File.ReadAllText(vocabulary)));
        await using var third = await TestServer.RestartAsync(data);
        var error = await Assert.ThrowsAsync<RpcException>(() => third.Client.ClassifyAsync(["a b c"], ["old"]));
        Assert.Contains("has changed since", error.Status.Detail);
    }

    [Fact]
    public async Task Models_ThatDifferInTheirVocabularyOnly_AreBothLoaded_AndOldVersionsMeanTheFirst()
    {
        await using var server = await TestServer.StartAsync();
        await server.Client.ImportTaskAsync("old", server.Data.WriteOldVersion(seed: 3), alias: "production");
        var before = await AnswersAsync(server);
        var models = Path.Combine(server.Data.Path, "models");
        var other = Directory.CreateDirectory(Path.Combine(models, "other")).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(models, DataFolder.Model)))
            File.Copy(file, Path.Combine(other, Path.GetFileName(file)));
        var vocabulary = Path.Combine(other, "vocab.txt");
        File.WriteAllText(vocabulary, Changed("vocab.txt", File.ReadAllText(vocabulary)));

        var loaded = await server.Client.Models.LoadModelAsync(new() { Model = "other" });

        Assert.NotEqual(
            loaded.Digest, (await server.Client.Models.GetModelAsync(new() { Model = DataFolder.Model })).Digest);
        Assert.Equal(before, await AnswersAsync(server));
    }

    [Fact]
    public async Task BrokenListOfBackbones_StopsOldVersionsAlone()
    {
        await using var server = await TestServer.StartAsync();
        await server.Client.ImportTaskAsync("old", server.Data.WriteOldVersion(seed: 3), alias: "production");
        await server.EndAsync();
        File.WriteAllText(Path.Combine(server.Data.Path, "models", "backbones.json"), "{\"format\": 1}");

        await using var next = await TestServer.RestartAsync(server.Data);

        _ = await next.Client.ClassifyAsync(["a b c"], ["t"]);
        var error = await Assert.ThrowsAsync<RpcException>(() => next.Client.ClassifyAsync(["a b c"], ["old"]));
        Assert.Contains("backbones.json, which says whether the model is as it was", error.Status.Detail);
    }

    private static string Changed(string file, string? original) => file switch
    {
        "vocab.txt" => original!.Replace("\na\nb\n", "\nb\na\n"),
        "config.json" => original!.Replace("1e-12", "1e-6"),
        _ => "{\"do_lower_case\": false}"
    };

    private static async Task ReloadAsync(TestServer server, Action change)
    {
        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model, Force = true });
        change();
        await server.Client.Models.LoadModelAsync(new() { Model = DataFolder.Model });
    }

    private static async Task<List<double>> AnswersAsync(TestServer server)
    {
        var answer = await server.Client.ClassifyAsync(["a b c"], Tasks);
        return [.. answer.Results[0].Classifications.SelectMany(task => task.Scores).Select(score => score.Logit)];
    }
}
