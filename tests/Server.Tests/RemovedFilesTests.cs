using Grpc.Core;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;

namespace Serving.Server.Tests;

/// <summary>Files that somebody removes under a running server.</summary>
public sealed class RemovedFilesTests
{
    [Fact]
    public async Task Folders_ThatAreRemoved_AreMissed_AndEverythingElseGoesOn()
    {
        await using var server = await StartAsync();
        var client = server.Client;
        var job = await SubmitAsync(server, Mask(epochs: 1), new() { Task = "letters" });
        await WatchAsync(server, job.Id);
        var kept = (await client.Tasks.GetTaskAsync(new() { Task = "u" })).Versions.Single().Version;
        var gone = (await client.Tasks.GetTaskAsync(new() { Task = "t" })).Versions.Single().Version;
        foreach (var path in (string[])["datasets", "jobs", $"tasks/t/{gone}", $"models/{DataFolder.Model}"])
            Directory.Delete(Path.Combine(server.Data.Path, path), recursive: true);

        Assert.Equal(2, (await client.ClassifyAsync(["a"], ["t", "u"])).Results.Single().Classifications.Count);
        await RefusedAsync(StatusCode.DataLoss, () => client.Datasets.GetDatasetAsync(new() { Name = "letters" }));
        await RefusedAsync(StatusCode.DataLoss, () => client.Jobs.WatchJob(new() { Id = job.Id }));
        await RefusedAsync(
            StatusCode.NotFound, () => client.Tasks.ExportTask(new() { Task = new() { Task = "t", Version = gone } }));
        await RefusedAsync(StatusCode.NotFound, () => client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Classifier = Mask(epochs: 1) } }));

        await client.Datasets.DeleteDatasetAsync(new() { Name = "letters" });
        await client.Jobs.DeleteJobAsync(new() { Id = job.Id });
        Assert.Empty((await client.Datasets.ListDatasetsAsync(new())).Datasets);
        Assert.Empty((await client.Jobs.ListJobsAsync(new())).Jobs);
        await UploadAsync(server, "letters", ["a\teven", "b\todd"]);
        Assert.Equal(kept, (await client.ClassifyAsync(["a"], ["u"])).Results[0].Classifications[0].Version);
    }

    private static async Task RefusedAsync<T>(StatusCode status, Func<AsyncUnaryCall<T>> call) =>
        Assert.Equal(status, (await Refused(() => call().ResponseAsync)).StatusCode);

    private static async Task RefusedAsync<T>(StatusCode status, Func<AsyncServerStreamingCall<T>> call) =>
        Assert.Equal(status, (await Refused(async () =>
        {
            using var running = call();
            await running.ResponseStream.MoveNext(CancellationToken.None);
        })).StatusCode);
}
