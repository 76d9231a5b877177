using Grpc.Core;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;

namespace Serving.Server.Tests;

/// <summary>A task's first version becomes what requests without an alias run on, unless told otherwise.</summary>
public sealed class FirstVersionTests
{
    [Fact]
    public async Task Import_OfTheFirst_MakesItProduction_AndOfTheSecondDoesNot()
    {
        await using var server = await TestServer.StartAsync();
        var first = (await server.Client.ImportTaskAsync("new", server.Data.WriteVersion(seed: 3))).Version;
        Assert.Equal([("production", first)], await AliasesAsync(server, "new"));
        await server.Client.ImportTaskAsync("new", server.Data.WriteVersion(seed: 4));
        Assert.Equal([("production", first)], await AliasesAsync(server, "new"));
        Assert.Equal(
            first, (await server.Client.ClassifyAsync(["a"], ["new"])).Results[0].Classifications[0].Version);
    }

    /// <summary>An import that was cut off between the version and its alias is repeated.</summary>
    [Fact]
    public async Task Import_OfTheOnlyVersionAgain_MakesItProduction()
    {
        await using var server = await TestServer.StartAsync();
        var folder = server.Data.WriteVersion(seed: 3);
        var first = (await server.Client.ImportTaskAsync(NoAlias("new"), folder)).Version;
        Assert.Empty(await AliasesAsync(server, "new"));
        var unaliased = await Refused(() => server.Client.ClassifyAsync(["a"], ["new"]));
        Assert.Equal(
            (StatusCode.NotFound, "There is no alias 'production' of the task 'new'. There is no alias of the task "
                + "'new' yet. Point it at a version: serving tasks promote new VERSION --alias production "
                + "(Tasks.SetAlias)."),
            (unaliased.StatusCode, unaliased.Status.Detail));
        Assert.False((await server.Client.ImportTaskAsync("new", folder)).Created);
        Assert.Equal([("production", first)], await AliasesAsync(server, "new"));
    }

    [Fact]
    public async Task Import_WithAnotherAlias_OrForAModelThatIsNotLoaded_LeavesProduction()
    {
        await using var server = await TestServer.StartAsync();
        var folder = server.Data.WriteVersion(seed: 3);
        var both = await Refused(() => server.Client.ImportTaskAsync(
            new ImportHeader { Task = "new", Alias = "canary", NoAlias = true }, folder));
        Assert.StartsWith("header.no_alias: ", both.Status.Detail, StringComparison.Ordinal);
        var first = (await server.Client.ImportTaskAsync("new", folder, alias: "canary")).Version;
        Assert.Equal([("canary", first)], await AliasesAsync(server, "new"));
        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model, Force = true });
        await server.Client.ImportTaskAsync("later", folder);
        Assert.Empty(await AliasesAsync(server, "later"));
    }

    [Fact]
    public async Task Job_BelowItsGate_LeavesTheFirstVersionWithoutAnAlias()
    {
        await using var server = await StartAsync();
        var job = await SubmitAsync(server, Mask(epochs: 1), new() { Task = "letters", MinMetric = 1.01 });
        await WatchAsync(server, job.Id);
        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.Matches(
            @"^The alias 'production' was not moved: the accuracy is 0\.\d{4}, below 1\.0100\.$", job.Message);
        Assert.Empty(await AliasesAsync(server, "letters"));

        var again = await SubmitAsync(server, Mask(epochs: 1), new() { Task = "own", NoAlias = true });
        await WatchAsync(server, again.Id);
        Assert.Empty(await AliasesAsync(server, "own"));
        var both = await Refused(() => SubmitAsync(
            server, Mask(epochs: 1), new() { Task = "own", Alias = "production", NoAlias = true }));
        Assert.StartsWith("spec.publish.no_alias: ", both.Status.Detail, StringComparison.Ordinal);
    }

    private static ImportHeader NoAlias(string task) => new() { Task = task, NoAlias = true };

    private static async Task<List<(string Name, string Version)>> AliasesAsync(TestServer server, string task) =>
        [.. (await server.Client.Tasks.GetTaskAsync(new() { Task = task })).Aliases
            .Select(alias => (alias.Name, alias.Version))];
}
