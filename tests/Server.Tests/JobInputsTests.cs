using Grpc.Core;
using Serving.Models.Versions;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;

namespace Serving.Server.Tests;

/// <summary>A job reads what it was submitted for, or nothing: names may mean something else later.</summary>
public sealed class JobInputsTests
{
    [SharedFact("cases/h01-same-texts-labels-swapped.tsv")]
    public Task Dataset_SwappedUnderAJob_IsRefused_AndTheFormerOneGoesOn() => SwapAsync(
        File.ReadAllLines(SharedFiles.At("cases/e06-plain.tsv"))[1..],
        File.ReadAllLines(SharedFiles.At("cases/h01-same-texts-labels-swapped.tsv"))[1..]);

    [Fact]
    public Task Dataset_WithARowMoreUnderAJob_IsRefused_AndTheFormerOneGoesOn()
    {
        var rows = Enumerable.Range(90, 60).Select(i => $"{Letters(i)}\t{(i % 2 == 0 ? "even" : "odd")}").ToList();
        return SwapAsync(rows, [.. rows, "a late row\teven"]);
    }

    [Fact]
    public async Task Dataset_SwappedUnderAJobThatWaits_FailsIt()
    {
        await using var server = await StartAsync();
        var first = await SubmitAsync(server, Mask(epochs: 400), publish: null);
        var waiting = await SubmitAsync(server, Mask(epochs: 1), new() { Task = "waiting" });
        await server.Client.Datasets.DeleteDatasetAsync(new() { Name = "letters" });
        await UploadAsync(
            server, "letters", Enumerable.Range(0, 90).Select(i => $"{Letters(i)}\t{(i % 2 == 0 ? "odd" : "even")}"));
        await server.Client.Jobs.CancelJobAsync(new() { Id = first.Id });
        await WatchAsync(server, waiting.Id);
        var job = await server.Client.Jobs.GetJobAsync(new() { Id = waiting.Id });
        Assert.Equal(JobState.Failed, job.State);
        Assert.Matches(
            "^The dataset 'letters' is another than the one that the job was submitted for: "
            + @"its digest is [0-9a-f]{12}; [0-9a-f]{12} is needed\. Bring the former one back, or submit a new job\.$",
            job.Message);
    }

    [Theory]
    [InlineData("vocab.txt")]
    [InlineData("tokenizer_config.json")]
    public async Task Model_WithOtherFilesUnderAJob_IsRefused(string file)
    {
        await using var server = await StartAsync();
        var job = await SubmitAsync(server, Mask(epochs: 400), publish: null);
        await ReachAsync(server, job.Id, step: 7);
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
        await WatchAsync(server, job.Id);
        var path = Path.Combine(server.Data.Path, "models", DataFolder.Model, file);
        var before = File.Exists(path) ? await File.ReadAllTextAsync(path) : null;
        await File.WriteAllTextAsync(path, before is null ? "{}" : before.ToUpperInvariant());
        var refused = await Refused(() => server.Client.Jobs.ResumeJobAsync(new() { Id = job.Id }).ResponseAsync);
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.StartsWith(
            $"The model '{DataFolder.Model}' is another than the one that the job was submitted for: ",
            refused.Status.Detail, StringComparison.Ordinal);

        if (before is null)
            File.Delete(path);
        else
            await File.WriteAllTextAsync(path, before);
        await server.Client.Jobs.ResumeJobAsync(new() { Id = job.Id });
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
    }

    private static async Task SwapAsync(IReadOnlyList<string> rows, IReadOnlyList<string> others)
    {
        await using var server = await StartAsync();
        await UploadAsync(server, "data", rows);
        var digest = (await server.Client.Datasets.GetDatasetAsync(new() { Name = "data" })).Digest;
        var recipe = Mask(epochs: 400);
        recipe.Dataset = "data";
        var job = await SubmitAsync(server, recipe, new() { Task = "swapped" });
        await ReachAsync(server, job.Id, step: 14);
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
        await WatchAsync(server, job.Id);
        await server.Client.Datasets.DeleteDatasetAsync(new() { Name = "data" });
        await UploadAsync(server, "data", others);

        var refused = await Refused(() => server.Client.Jobs.ResumeJobAsync(new() { Id = job.Id }).ResponseAsync);
        Assert.Equal(StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Contains(digest[..12], refused.Status.Detail, StringComparison.Ordinal);
        Assert.Equal(JobState.Cancelled, (await server.Client.Jobs.GetJobAsync(new() { Id = job.Id })).State);

        await server.Client.Datasets.DeleteDatasetAsync(new() { Name = "data" });
        await UploadAsync(server, "data", rows);
        await server.Client.Jobs.ResumeJobAsync(new() { Id = job.Id });
        await WatchAsync(server, job.Id);
        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.True(job.State == JobState.Succeeded, job.Message);
        var folder = Path.Combine(server.Data.Path, "tasks", "swapped", job.TaskVersion);
        Assert.Equal([digest], VersionFiles.ReadManifest(folder, job.TaskVersion).Lineage!.Data);
    }
}
