using System.Runtime.Versioning;
using Grpc.Core;
using Serving.Client;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests.Disk;

/// <summary>A data root that may no longer be written, or read: it is said, nothing is half, serving goes on.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class PermissionsTests : IAsyncLifetime
{
    private readonly DataFolder _data = new();
    private readonly List<string> _versions = [];
    private ServerProcess? _server;

    private ServingClient Client => _server!.Client;

    public async Task InitializeAsync()
    {
        _versions.AddRange(Enumerable.Range(1, 3).Select(seed => _data.WriteVersion(seed)));
        if (OperatingSystem.IsWindows())
            return;
        await StartAsync();
        await Client.ImportTaskAsync("t", _versions[0], alias: "production");
        await Client.ImportTaskAsync("t", _versions[1]);
        await UploadAsync("kept");
    }

    public async Task DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
        _data.Dispose();
    }

    [PermissionsFact]
    public async Task Change_OfWhatMayNotBeWritten_IsRefused_AndDoneOnceItMay()
    {
        var done = await EndAsync(await SubmitAsync("kept"));
        await RefusedThenDoneAsync("datasets", () => UploadAsync("new"));
        await RefusedThenDoneAsync(
            "datasets", () => Client.Datasets.DeleteDatasetAsync(new() { Name = "new" }).ResponseAsync);
        await RefusedThenDoneAsync("tasks", () => Client.ImportTaskAsync("u", _versions[2], alias: "production"));
        await RefusedThenDoneAsync("tasks/t", () => Client.ImportTaskAsync("t", _versions[2]));
        await RefusedThenDoneAsync("tasks/t", () => PointAsync(_versions[2]));
        await RefusedThenDoneAsync("tasks/t", () => Client.Tasks.SetAliasAsync(
            new() { Task = "t", Alias = "next", Version = Path.GetFileName(_versions[0]) }).ResponseAsync);
        await RefusedThenDoneAsync("tasks/t", () => Client.Tasks.DeleteTaskVersionAsync(
            new() { Task = "t", Version = Path.GetFileName(_versions[1]) }).ResponseAsync);
        await RefusedThenDoneAsync("jobs", TrainAsync);
        await RefusedThenDoneAsync(
            "jobs", () => Client.Jobs.DeleteJobAsync(new() { Id = done.Id }).ResponseAsync);
    }

    [PermissionsFact]
    public async Task Result_ThatMayNotBeWritten_FailsItsJob_WhichSucceedsOnceItMay()
    {
        var publish = new Publish { Task = "made", Alias = "production", Model = "made" };
        foreach (var folder in new[] { "models", "tasks" })
        {
            publish.Model = publish.Task = $"by-{folder}";
            string id;
            using (Permissions.TakeWriting(Path.Combine(_data.Path, folder), SearchOption.TopDirectoryOnly))
            {
                id = await SubmitAsync("kept", publish, (ulong)folder.Length);
                var failed = await EndAsync(id);
                Assert.Equal(JobState.Failed, failed.State);
                Assert.StartsWith(
                    "The result is there, but could not be published: Access",
                    failed.Message,
                    StringComparison.Ordinal);
                await AnswersAsync();
                AssertNothingIsHalf();
            }

            await Client.Jobs.ResumeJobAsync(new() { Id = id });
            var job = await EndAsync(id);
            Assert.True(job.State == JobState.Succeeded, job.Message);
        }

        Assert.Single((await Client.ClassifyAsync(["a b"], [publish.Task])).Results);
    }

    [PermissionsFact]
    public async Task Files_ThatMayNotBeRead_AreMissed_AndEverythingElseGoesOn()
    {
        await RefusedThenDoneAsync("datasets", TrainAsync, Permissions.TakeReading);
        await RefusedThenDoneAsync($"models/{DataFolder.Model}", TrainAsync, Permissions.TakeReading);
        await RefusedThenDoneAsync("tasks/t", () => PointAsync(_versions[1]), Permissions.TakeReading);
        await RefusedThenDoneAsync("tasks/t", ExportAsync, Permissions.TakeReading);

        async Task ExportAsync()
        {
            using var call = Client.Tasks.ExportTask(
                new() { Task = new() { Task = "t", Version = Path.GetFileName(_versions[0]) } });
            while (await call.ResponseStream.MoveNext(CancellationToken.None))
            {
            }
        }
    }

    [PermissionsFact]
    public async Task Start_OnWhatMayNotBeWritten_ServesWhatIsThere_AndRefusesChanges()
    {
        var job = await EndAsync(await SubmitAsync("kept"));
        var (tasks, datasets) = (await TasksAsync(), await Client.Datasets.ListDatasetsAsync(new()));
        await _server!.KillAsync();
        await _server.DisposeAsync();
        using (Permissions.TakeWriting(_data.Path, SearchOption.AllDirectories))
        {
            await StartAsync();
            await AnswersAsync();
            Assert.Equal(tasks, await TasksAsync());
            Assert.Equal(datasets, await Client.Datasets.ListDatasetsAsync(new()));
            Assert.Equal(job, await Client.Jobs.GetJobAsync(new() { Id = job.Id }));
            await RefusedAsync(() => PointAsync(_versions[1]));
            await RefusedAsync(() => UploadAsync("new"));
            await _server.DisposeAsync();
        }

        await StartAsync();
        Assert.Equal(tasks, await TasksAsync());
        await PointAsync(_versions[1]);
    }

    private async Task StartAsync() => _server = await ServerProcess.StartAsync(_data, under: Permissions.Held);

    private Task RefusedThenDoneAsync(string folder, Func<Task> change) => RefusedThenDoneAsync(
        folder, change, path => Permissions.TakeWriting(path, SearchOption.TopDirectoryOnly));

    private async Task RefusedThenDoneAsync(string folder, Func<Task> change, Func<string, Permissions> take)
    {
        using (take(Path.Combine(_data.Path, folder)))
        {
            var before = await StateAsync();
            await RefusedAsync(change);
            Assert.Equal(before, await StateAsync());
            await AnswersAsync();
            AssertNothingIsHalf();
        }

        await change();
    }

    private static async Task RefusedAsync(Func<Task> change)
    {
        var refused = await Assert.ThrowsAsync<RpcException>(change);
        Assert.True(
            refused.StatusCode == StatusCode.FailedPrecondition
            && (refused.Status.Detail.Contains("may not use a file of its data root", StringComparison.Ordinal)
                || refused.Status.Detail.Contains(" may not be read by the account", StringComparison.Ordinal)),
            refused.ToString());
    }

    private async Task<string> StateAsync() => string.Join(
        '\n',
        await TasksAsync(),
        await Client.Datasets.ListDatasetsAsync(new()),
        string.Join(' ', (await Client.Jobs.ListJobsAsync(new())).Jobs.Select(job => job.Id)));

    private async Task<string> TasksAsync() => string.Join('\n', (await Client.Tasks.ListTasksAsync(new())).Tasks
        .Select(task => $"{task.Name} {task.Aliases} {task.Versions.Count}"));

    private async Task AnswersAsync() => Assert.Single((await Client.ClassifyAsync(["a b"], ["t"])).Results);

    private void AssertNothingIsHalf() => Assert.DoesNotContain(
        Directory.GetFileSystemEntries(_data.Path, ".*", SearchOption.AllDirectories).Select(Path.GetFileName),
        name => name != ".lock");

    private async Task UploadAsync(string name)
    {
        var path = _data.At($"{name}.tsv");
        await File.WriteAllLinesAsync(path, Enumerable.Range(0, 60)
            .Select(i => $"a b {name} {i}\t{(i % 2 == 0 ? "even" : "odd")}").Prepend("text\tlabel"));
        await Client.UploadDatasetAsync(new() { Name = name, TextColumn = "text", LabelColumn = "label" }, path);
    }

    private async Task PointAsync(string version) =>
        await Client.Tasks.SetAliasAsync(new() { Task = "t", Version = Path.GetFileName(version) });

    private async Task<string> SubmitAsync(string dataset, Publish? publish = null, ulong seed = 1) =>
        (await Client.Jobs.SubmitJobAsync(new()
        {
            Spec = new()
            {
                Classifier = new()
                {
                    Method = TrainingMethod.Finetune,
                    Model = DataFolder.Model,
                    Dataset = dataset,
                    MaxTokens = 16,
                    Epochs = 1,
                    Seed = seed
                },
                Publish = publish
            }
        })).Id;

    // To its end: a job that still writes its files would look like something half.
    private async Task TrainAsync() =>
        Assert.Equal(JobState.Succeeded, (await EndAsync(await SubmitAsync("kept"))).State);

    private async Task<Job> EndAsync(string id)
    {
        await foreach (var _ in Client.WatchJobAsync(id))
        {
        }

        return await Client.Jobs.GetJobAsync(new() { Id = id });
    }
}
