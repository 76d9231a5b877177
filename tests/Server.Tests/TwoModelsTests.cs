using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.Server.Tests;

/// <summary>A server with two models: each task runs on its own, also in one request.</summary>
public sealed class TwoModelsTests
{
    private static readonly string[] Texts = ["a b", "c"];

    [Fact]
    public async Task Request_OverTasksOfBothModels_GetsTheAnswersOfEach()
    {
        var alone = new DataFolder();
        IEnumerable<IEnumerable<float>> expected;
        await using (var server = await StartAsync(alone, ("first", alone.WriteVersion(seed: 5))))
            expected = Logits(await server.Client.ClassifyAsync(Texts, ["first"]), "first");

        var data = new DataFolder();
        var other = data.AddModel("other", seed: 5);
        await using var both = await StartAsync(data, ("first", data.WriteVersion(seed: 5)), ("other", other));

        var response = await both.Client.ClassifyAsync(Texts, ["first", "other"]);

        Assert.Equal(expected, Logits(response, "first"));
        Assert.NotEqual(expected, Logits(response, "other"));
        Assert.Equal(
            Logits(response, "other"), Logits(await both.Client.ClassifyAsync(Texts, ["other"]), "other"));
    }

    [Fact]
    public async Task Unload_OfOneModel_LeavesTheOther()
    {
        var data = new DataFolder();
        var other = data.AddModel("other", seed: 5);
        await using var server = await StartAsync(data, ("first", data.WriteVersion(seed: 5)), ("other", other));
        var before = Logits(await server.Client.ClassifyAsync(Texts, ["other"]), "other");

        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model, Force = true });

        Assert.Equal(before, Logits(await server.Client.ClassifyAsync(Texts, ["other"]), "other"));
        var refused = await Assert.ThrowsAsync<RpcException>(() => server.Client.ClassifyAsync(Texts, ["first"]));
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        await server.Client.Models.LoadModelAsync(new() { Model = DataFolder.Model });
        Assert.Equal(2, (await server.Client.ClassifyAsync(Texts, ["first"])).Results.Count);
    }

    /// <summary>A server on a data root, with a task of each name.</summary>
    private static async Task<TestServer> StartAsync(DataFolder data, params (string Task, string Version)[] tasks)
    {
        var server = await TestServer.RestartAsync(data);
        foreach (var (task, version) in tasks)
            await server.Client.ImportTaskAsync(task, version, alias: "production");
        return server;
    }

    private static IEnumerable<IEnumerable<float>> Logits(ClassifyResponse response, string task) =>
        response.Results.Select(result => result.Classifications.Single(scores => scores.Task == task).Scores
            .Select(score => score.Logit));
}
