using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests.Disk;

/// <summary>A disk that a job's checkpoints fill: the job ends, the server and the next job go on.</summary>
public sealed class FullDiskJobTests
{
    private const string Demo = "mini";
    private const long DiskBytes = 24L << 20;

    /// <summary>The demo on 24 MB, where the checkpoint of a fine-tuning does not fit.</summary>
    [SmallDiskFact("cases/e06-plain.tsv")]
    public Task Checkpoint_ThatDoesNotFit_FailsItsJob_AndServingAndTheNextJobGoOn() => RunAsync(
        SharedFiles.At("cases/e06-plain.tsv"), Demo, DiskBytes, pagesLeft: null, "sentiment");

    [SmallDiskFact]
    public async Task Checkpoint_OfOwnData_ThatDoesNotFit_FailsItsJob_AndServingAndTheNextJobGoOn()
    {
        using var files = new TemporaryFolder();
        var path = files.At("letters.tsv");
        await File.WriteAllLinesAsync(path, Enumerable.Range(0, 40)
            .Select(i => $"{(char)('a' + (i % 26))} {i}\t{(i % 2 == 0 ? "even" : "odd")}").Prepend("text\tlabel"));
        await RunAsync(path, Demo, 64L << 20, pagesLeft: 2000, "review"); // 8 MB; a checkpoint takes about 35.
    }

    private static async Task RunAsync(string rows, string model, long bytes, int? pagesLeft, string task)
    {
        using var data = new DataFolder(isEmpty: true);
        using var disk = SmallDisk.Mount(data.Path, bytes);
        var server = await ServerProcess.StartAsync(data);
        try
        {
            await server.Client.UploadDatasetAsync(
                new() { Name = "rows", TextColumn = "text", LabelColumn = "label" }, rows);
            if (pagesLeft is { } pages)
                disk.Fill(pages);
            var large = await SubmitAsync(server, new()
            {
                Method = TrainingMethod.Finetune,
                Model = model,
                Dataset = "rows",
                BatchSize = 8,
                CheckpointInterval = 3
            }, new() { Model = "tuned", Task = "tuned" });
            var small = await SubmitAsync(server, new()
            {
                Method = TrainingMethod.HeadOnly,
                Model = model,
                Dataset = "rows",
                Epochs = 1
            }, new() { Task = "head" });

            var failed = await EndAsync(server, large);
            Assert.Equal(JobState.Failed, failed.State);
            Assert.StartsWith("There is no room left on the disk. ", failed.Message, StringComparison.Ordinal);
            AssertNothingIsHalf(data);
            var done = await EndAsync(server, small);
            Assert.True(done.State == JobState.Succeeded, done.Message);
            await AnswersAsync(server, task);
            await AnswersAsync(server, "head");

            await server.KillAsync();
            await server.DisposeAsync();
            disk.Fill(pagesLeft: 0);
            server = await ServerProcess.StartAsync(data); // On a disk without room.
            await AnswersAsync(server, task);
            Assert.Equal(
                [JobState.Succeeded, JobState.Failed],
                (await server.Client.Jobs.ListJobsAsync(new())).Jobs.Select(job => job.State));

            disk.Free();
            await server.Client.Jobs.DeleteJobAsync(new() { Id = large });
            await AnswersAsync(server, "head");
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    /// <summary>A server that is killed while a checkpoint fills the disk starts again, and without the checkpoint.
    /// </summary>
    [SmallDiskFact]
    public async Task Start_OnADiskThatAnUnfinishedCheckpointFills_RemovesIt()
    {
        using var data = new DataFolder(isEmpty: true);
        using var disk = SmallDisk.Mount(data.Path, 64L << 20);
        var server = await ServerProcess.StartAsync(data);
        try
        {
            var path = Path.Combine(data.Path, "letters.tsv");
            await File.WriteAllLinesAsync(path, Enumerable.Range(0, 4000)
                .Select(i => $"{(char)('a' + (i % 26))} {i}\t{(i % 2 == 0 ? "even" : "odd")}").Prepend("text\tlabel"));
            await server.Client.UploadDatasetAsync(
                new() { Name = "letters", TextColumn = "text", LabelColumn = "label" }, path);
            var id = await SubmitAsync(server, new()
            {
                Method = TrainingMethod.HeadOnly,
                Model = Demo,
                Dataset = "letters",
                BatchSize = 1,
                Epochs = 1000
            }, publish: null);
            await Eventually.TrueAsync(
                () => server.Client.Jobs.GetJob(new() { Id = id }).Progress is { Step: > 0 }, "the job computes");
            await server.KillAsync();
            await server.DisposeAsync();
            var unfinished = Directory.CreateDirectory(
                Path.Combine(data.Path, "jobs", id, "checkpoints", ".writing-5")).FullName;
            await File.WriteAllTextAsync(Path.Combine(unfinished, "tensors.safetensors"), "half");
            disk.Fill(pagesLeft: 0);

            server = await ServerProcess.StartAsync(data);
            await Eventually.TrueAsync(() => !Directory.Exists(unfinished), "the unfinished checkpoint is gone");
            await AnswersAsync(server, "sentiment");
            await server.Client.Jobs.CancelJobAsync(new() { Id = id });
        }
        finally
        {
            await server.DisposeAsync();
        }
    }

    private static void AssertNothingIsHalf(DataFolder data) => Assert.DoesNotContain(
        Directory.GetFileSystemEntries(data.Path, ".*", SearchOption.AllDirectories).Select(Path.GetFileName),
        name => name != ".lock");

    private static async Task AnswersAsync(ServerProcess server, string task) => Assert.Single(
        (await server.Client.ClassifyAsync(["a good film"], [task])).Results);

    private static async Task<string> SubmitAsync(ServerProcess server, ClassifierRecipe recipe, Publish? publish) =>
        (await server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Classifier = recipe, Publish = publish } })).Id;

    private static async Task<Job> EndAsync(ServerProcess server, string id)
    {
        await foreach (var _ in server.Client.WatchJobAsync(id))
        {
        }

        return await server.Client.Jobs.GetJobAsync(new() { Id = id });
    }
}
