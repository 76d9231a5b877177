using Serving.Client;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;

namespace Serving.Server.Tests;

/// <summary>A recipe over a task reads files: its model need not be in memory.</summary>
public sealed class UnloadedModelTests
{
    [Fact]
    public async Task Recipe_OverATaskWhoseModelIsNotLoaded_Runs()
    {
        await using var server = await TestServer.StartAsync("--Server:TrainingThreads=1");
        await server.Client.Models.UnloadModelAsync(new() { Model = DataFolder.Model, Force = true });

        var job = await server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Memory = new() { Task = new() { Task = "t" } } } });
        await WatchAsync(server, job.Id);

        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.True(job.State == JobState.Succeeded, job.Message);
        Assert.False((await server.Client.Models.GetModelAsync(new() { Model = DataFolder.Model })).Loaded);
    }
}
