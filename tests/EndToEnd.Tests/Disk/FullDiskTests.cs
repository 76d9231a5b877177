using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests.Disk;

/// <summary>A data root that is full at each of many points: a request is done, or refused as a whole.</summary>
public sealed class FullDiskTests
{
    private const int MostPages = 13; // More than an upload, an import, a job or an alias needs.
    private const int JobPages = 800; // Two checkpoints of a small job and what it publishes take some 600.
    private const int JobPoints = 8;

    [SmallDiskFact]
    public async Task Request_OnADiskThatIsNearlyFull_IsDoneOrRefused_AndNothingIsHalf()
    {
        using var data = new DataFolder();
        using var outside = new TemporaryFolder();
        var model = outside.At("model");
        Directory.Move(Path.Combine(data.Path, "models"), model);
        using var disk = SmallDisk.Mount(data.Path, 16L << 20);
        Copy(model, Path.Combine(data.Path, "models"));
        var versions = Enumerable.Range(1, 3).Select(seed => data.WriteVersion(seed)).ToList();
        var rows = outside.At("rows.tsv");
        await File.WriteAllLinesAsync(rows, Enumerable.Range(0, 60)
            .Select(i => $"a b {(char)('a' + (i % 26))} {i}\t{(i % 2 == 0 ? "even" : "odd")}").Prepend("text\tlabel"));
        var server = await ServerProcess.StartAsync(data);
        try
        {
            var client = server.Client;
            await client.ImportTaskAsync("t", versions[0], alias: "production");
            await client.ImportTaskAsync("t", versions[1]);
            await UploadAsync("kept");
            var (done, refused) = (0, 0);
            for (var pages = 0; pages < MostPages; pages++)
            {
                await TryAsync(pages, () => UploadAsync("new"), HasDatasetAsync,
                    () => client.Datasets.DeleteDatasetAsync(new() { Name = "new" }).ResponseAsync);
                await TryAsync(pages, () => client.ImportTaskAsync("u", versions[2]), HasTaskAsync, ForgetTaskAsync);
                await TryAsync(pages, () => PointAsync(versions[1]), IsMovedAsync, () => PointAsync(versions[0]));
                await TryAsync(pages, () => RunAsync(seed: 0, publish: null), HasJobAsync, ForgetJobAsync);
            }

            Assert.True(done > 4 && refused > 8, $"{done} were done, {refused} refused.");
            var ends = new HashSet<JobState>();
            for (var point = 0; point < JobPoints; point++)
            {
                var id = await SubmitAsync(
                    point, new() { Task = "made", Alias = "production", Model = $"made-{point}" });
                disk.Fill(JobPages * point / (JobPoints - 1));
                var job = await EndAsync(id);
                Assert.True(
                    job.State == JobState.Succeeded || job.Message.Contains("no room", StringComparison.Ordinal),
                    $"{job.State}: {job.Message}");
                await AnswersAsync(client);
                AssertNothingIsHalf(data.Path);
                disk.Free();
                ends.Add(job.State);
                await client.Jobs.DeleteJobAsync(new() { Id = id });
            }

            Assert.Equal([JobState.Succeeded, JobState.Failed], ends.Order());
            var tasks = await client.Tasks.ListTasksAsync(new());
            var datasets = await client.Datasets.ListDatasetsAsync(new());
            await server.KillAsync();
            await server.DisposeAsync();
            disk.Fill(pagesLeft: 0);
            server = await ServerProcess.StartAsync(data);
            client = server.Client;
            Assert.Equal(datasets, await client.Datasets.ListDatasetsAsync(new()));
            Assert.Equal(
                tasks.Tasks.SelectMany(task => task.Versions.Select(version => (task.Name, version.Version))),
                (await client.Tasks.ListTasksAsync(new())).Tasks
                .SelectMany(task => task.Versions.Select(version => (task.Name, version.Version))));
            await AnswersAsync(client);

            async Task TryAsync(int pages, Func<Task> change, Func<Task<bool>> isDone, Func<Task> undo)
            {
                disk.Fill(pages);
                RpcException? refusal = null;
                try
                {
                    await change();
                }
                catch (RpcException exception)
                {
                    refusal = exception;
                    Assert.True(exception.StatusCode == StatusCode.ResourceExhausted, exception.Status.Detail);
                    Assert.Contains("no room left", exception.Status.Detail, StringComparison.Ordinal);
                }

                Assert.Equal(refusal is null, await isDone());
                await AnswersAsync(client);
                AssertNothingIsHalf(data.Path);
                disk.Free();
                (done, refused) = refusal is null ? (done + 1, refused) : (done, refused + 1);
                if (refusal is null)
                    await undo();
            }

            Task UploadAsync(string name)
            {
                var path = rows;
                if (name == "new")
                {
                    path = outside.At("new.tsv");
                    File.WriteAllLines(path, File.ReadLines(rows).Append("other\teven"));
                }

                return client.UploadDatasetAsync(
                    new() { Name = name, TextColumn = "text", LabelColumn = "label" }, path);
            }

            async Task<bool> HasDatasetAsync() =>
                (await client.Datasets.ListDatasetsAsync(new())).Datasets.Any(dataset => dataset.Name == "new");

            async Task<bool> HasTaskAsync() =>
                (await client.Tasks.ListTasksAsync(new())).Tasks.Any(task => task.Name == "u");

            async Task ForgetTaskAsync()
            {
                await client.Tasks.SetAliasAsync(new() { Task = "u", Remove = true });
                await client.Tasks.DeleteTaskVersionAsync(
                    new() { Task = "u", Version = Path.GetFileName(versions[2]) });
            }

            async Task PointAsync(string version) =>
                await client.Tasks.SetAliasAsync(new() { Task = "t", Version = Path.GetFileName(version) });

            async Task<bool> IsMovedAsync() =>
                (await client.Tasks.GetTaskAsync(new() { Task = "t" })).Aliases.Single().Version
                    == Path.GetFileName(versions[1]);

            async Task<string> SubmitAsync(int seed, Publish? publish) => (await client.Jobs.SubmitJobAsync(new()
            {
                Spec = new()
                {
                    Classifier = new()
                    {
                        Method = TrainingMethod.Finetune,
                        Model = DataFolder.Model,
                        Dataset = "kept",
                        MaxTokens = 16,
                        Epochs = 1,
                        CheckpointInterval = 1,
                        Seed = (ulong)seed
                    },
                    Publish = publish
                }
            })).Id;

            async Task RunAsync(int seed, Publish? publish) => await EndAsync(await SubmitAsync(seed, publish));

            async Task<Job> EndAsync(string id)
            {
                await foreach (var _ in client.WatchJobAsync(id))
                {
                }

                return await client.Jobs.GetJobAsync(new() { Id = id });
            }

            async Task<bool> HasJobAsync() => (await client.Jobs.ListJobsAsync(new())).Jobs.Count > 0;

            async Task ForgetJobAsync()
            {
                var id = (await client.Jobs.ListJobsAsync(new())).Jobs.Single().Id;
                await client.Jobs.DeleteJobAsync(new() { Id = id });
            }
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static async Task AnswersAsync(Client.ServingClient client) =>
        Assert.Single((await client.ClassifyAsync(["a b"], ["t"])).Results);

    private static void AssertNothingIsHalf(string data) => Assert.DoesNotContain(
        Directory.GetFileSystemEntries(data, ".*", SearchOption.AllDirectories).Select(Path.GetFileName),
        name => name != ".lock");

    private static void Copy(string from, string to)
    {
        foreach (var folder in Directory.GetDirectories(from, "*", SearchOption.AllDirectories).Prepend(from))
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, folder)));
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }
}
