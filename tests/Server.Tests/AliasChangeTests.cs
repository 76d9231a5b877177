using Grpc.Core;
using Serving.Client;

namespace Serving.Server.Tests;

/// <summary>Aliases that somebody else changes on disk beside the server.</summary>
public sealed class AliasChangeTests
{
    [Fact]
    public async Task Aliases_ChangedMeanwhile_AreChangedOnTopOfThat()
    {
        await using var server = await TestServer.StartAsync();
        var version = (await server.Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        var path = Path.Combine(server.Data.Path, "tasks", "t", "aliases.json");
        var text = await File.ReadAllTextAsync(path);
        await File.WriteAllTextAsync(path, text.Replace("\"production\"", "\"by-hand\"", StringComparison.Ordinal));

        var task = await server.Client.Tasks.SetAliasAsync(new() { Task = "t", Alias = "next", Version = version });

        Assert.Equal(["by-hand", "next"], task.Aliases.Select(alias => alias.Name));
        Assert.Contains("by-hand", await File.ReadAllTextAsync(path), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Aliases_DamagedMeanwhile_AreNotReplaced()
    {
        await using var server = await TestServer.StartAsync();
        var version = (await server.Client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        var path = Path.Combine(server.Data.Path, "tasks", "t", "aliases.json");
        await File.WriteAllTextAsync(path, "{");

        var refused = await Assert.ThrowsAsync<RpcException>(() => server.Client.Tasks.SetAliasAsync(
            new() { Task = "t", Alias = "next", Version = version }).ResponseAsync);

        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Contains("is no list of aliases", refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal("{", await File.ReadAllTextAsync(path));
    }
}
