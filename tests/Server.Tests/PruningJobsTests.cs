using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;
using Job = Serving.V1.Job;

namespace Serving.Server.Tests;

/// <summary>Lottery tickets through the server: found, published, served, compared, transferred.</summary>
public sealed class PruningJobsTests
{
    [Fact]
    public async Task Ticket_IsServedFromAModelOfItsOwn_Compared_AndTransferred()
    {
        await using var server = await StartAsync();
        var first = await RunAsync(server, new() { Seeds = { 1 } }, "first");
        Assert.Equal(0.5, first.Metrics["sparsity"], 2);
        Assert.Contains(first.Artifacts, artifact => artifact.Name == "pruning.json");
        Assert.Contains(first.Artifacts, artifact => artifact.Name == "masks/seed-1.safetensors");

        var answer = await server.Client.ClassifyAsync([Letters(1)], ["first"]);
        Assert.Equal(first.TaskVersion, answer.Results[0].Classifications[0].Version);

        var transfer = new PruningRecipe
        {
            Method = PruningMethod.Transfer,
            Source = new() { Task = "first" },
            Seeds = { 2 }
        };
        var moved = await RunAsync(server, transfer, "moved");
        var other = await RunAsync(server, new() { Method = PruningMethod.Random, Seeds = { 3 } }, "other");
        Assert.Equal(first.Metrics["sparsity"], moved.Metrics["sparsity"]);
        Assert.Equal(first.Metrics["sparsity"], other.Metrics["sparsity"], 4);
        var compared = await server.Client.Tasks.CompareTasksAsync(new()
        {
            Tasks = { ((string[])["first", "moved", "other"]).Select(task => new TaskReference { Task = task }) }
        });
        Assert.Equal(0, compared.Comparisons[0].Dissimilarity);
        Assert.InRange(compared.Comparisons[1].Dissimilarity, 0.2, 0.8);
    }

    private static async Task<Job> RunAsync(TestServer server, PruningRecipe recipe, string task)
    {
        recipe.Base = Mask(epochs: 1);
        recipe.Base.Method = TrainingMethod.Finetune;
        recipe.Base.Seed = 0;
        recipe.Sparsity = 0.5;
        recipe.Rounds = 2;
        var job = await server.Client.Jobs.SubmitJobAsync(new()
        {
            Spec = new()
            {
                Pruning = recipe,
                Publish = new() { Task = task, Model = $"{task}-model" }
            }
        });
        await WatchAsync(server, job.Id);
        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.True(job.State == JobState.Succeeded, job.Message);
        return job;
    }
}
