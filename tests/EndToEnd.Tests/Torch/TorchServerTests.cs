using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>The whole server on a device of libtorch: what it answers, hot swap, jobs that are killed.</summary>
[NeedsTorchServer]
public sealed class TorchServerTests
{
    private static readonly string[] Texts =
        ["a", "b c", "d e f g", "h i j k l m n o p", "q r s t u v w x y z", "the end of it , is near"];

    [Fact]
    public async Task Answers_AreThoseOfTheProcessorsEngine()
    {
        using var data = new DataFolder();
        string[] tasks = ["t", "u", "v"];
        List<Classification> expected;
        await using (var server = await ServerProcess.StartAsync(data))
        {
            foreach (var (task, i) in tasks.Select((task, i) => (task, i)))
                await server.Client.ImportTaskAsync(task, data.WriteVersion(seed: i + 1), alias: "production");
            expected = await AnswersAsync(server, tasks);
        }

        await using var torch = await ServerProcess.StartAsync(data, build: ServerBuild.Torch);
        var actual = await AnswersAsync(torch, tasks);
        Assert.Equal(Texts.Length * tasks.Length, actual.Count);
        foreach (var (wanted, got) in expected.Zip(actual))
            Answers.AssertSame(wanted, got, tolerance: 1e-4f);
        Assert.Contains("Computes on torch-cpu, libtorch 2.10.", torch.Output(), StringComparison.Ordinal);
    }

    /// <summary>A job of the server's device and one of another, on the same data: about the same model.</summary>
    [Fact]
    public async Task Job_RunsOnTheServersDevice_OrOnTheOneThatItAsksFor()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(
            data, ["--Server:TrainingThreads=1"], build: ServerBuild.Torch);
        await Letters.UploadAsync(data, server.Client);
        var losses = new List<double>();
        foreach (var (asked, runs) in ((string, string)[])[("", "torch-cpu"), ("cpu", "cpu")])
        {
            var spec = Letters.MaskJob(epochs: 20, task: $"on-{runs}");
            spec.Device = asked;
            var job = await server.Client.Jobs.SubmitJobAsync(new() { Spec = spec });
            Assert.Equal(runs, job.Spec.Device);
            await foreach (var _ in server.Client.WatchJobAsync(job.Id))
            {
            }

            job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
            Assert.True(job.State == JobState.Succeeded, job.Message);
            losses.Add(job.Metrics["loss"]);
            var begun = await File.ReadAllTextAsync(
                data.At(Path.Combine("data", "jobs", job.Id, "device.txt")));
            Assert.StartsWith(
                asked.Length == 0 ? "torch-cpu, libtorch 2.10." : "cpu ", begun, StringComparison.Ordinal);
        }

        Assert.Equal(losses[1], losses[0], tolerance: 0.05);
    }

    [Fact]
    public async Task Model_WithADeviceOfItsOwn_RunsThere_AndItsNeighbourDoesNot()
    {
        using var data = new DataFolder();
        var other = data.AddModel("other", seed: 5);
        await using var server = await ServerProcess.StartAsync(
            data, ["--Server:Device=cpu", "--Server:ModelDevices:other=torch-cpu"], build: ServerBuild.Torch);
        await server.Client.ImportTaskAsync("t", data.WriteVersion(seed: 1), alias: "production");
        await server.Client.ImportTaskAsync("u", other, alias: "production");
        var models = (await server.Client.Models.ListModelsAsync(new())).Models.ToDictionary(model => model.Name);
        Assert.StartsWith("cpu ", models[DataFolder.Model].Device, StringComparison.Ordinal);
        Assert.StartsWith("torch-cpu, libtorch 2.10.", models["other"].Device, StringComparison.Ordinal);
        Assert.Equal(2 * Texts.Length, (await AnswersAsync(server, ["t", "u"])).Count);
    }

    /// <summary>Two jobs at a time, by a budget in which each states half.</summary>
    [Fact]
    public async Task Jobs_ShareTheDevice_AsLongAsItsMemoryHasRoom()
    {
        const long budget = 1L << 30;
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(
            data, ["--Server:TrainingThreads=1", $"--Server:DeviceMemoryBytes={budget}"], build: ServerBuild.Torch);
        await Letters.UploadAsync(data, server.Client);
        var jobs = new List<Job>();
        foreach (var task in (string[])["first", "second", "third"])
        {
            var spec = Letters.MaskJob(epochs: 20, task);
            spec.DeviceMemoryBytes = budget * 2 / 5; // Beside what the model takes there is room for two.
            jobs.Add(await server.Client.Jobs.SubmitJobAsync(new() { Spec = spec }));
        }

        foreach (var job in jobs)
        {
            await foreach (var _ in server.Client.WatchJobAsync(job.Id))
            {
            }
        }

        var ended = new List<Job>();
        foreach (var job in jobs)
            ended.Add(await server.Client.Jobs.GetJobAsync(new() { Id = job.Id }));
        Assert.All(ended, job => Assert.True(job.State == JobState.Succeeded, job.Message));
        Assert.True(ended[1].Started.ToDateTime() < ended[0].Ended.ToDateTime(), "the second runs beside the first");
        Assert.True(
            ended[2].Started.ToDateTime() >= ended.Take(2).Min(job => job.Ended.ToDateTime()),
            "the third waits for one of them");
    }

    [Fact]
    public async Task Job_ThatGoesOnElsewhere_SaysSo()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(
            data, ["--Server:TrainingThreads=1"], build: ServerBuild.Torch);
        await Letters.UploadAsync(data, server.Client);
        var job = await server.Client.Jobs.SubmitJobAsync(new() { Spec = Letters.MaskJob(epochs: 1000, "t") });
        var note = data.At(Path.Combine("data", "jobs", job.Id, "device.txt"));
        await Eventually.TrueAsync(() => File.Exists(note), "it has begun");
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
        await foreach (var _ in server.Client.WatchJobAsync(job.Id))
        {
        }

        await File.WriteAllTextAsync(note, "NVIDIA H100, cuda, libtorch 2.10.0");
        await server.Client.Jobs.ResumeJobAsync(new() { Id = job.Id });
        await foreach (var happened in server.Client.WatchJobAsync(job.Id))
        {
            if (happened.Warning is null)
                continue;
            Assert.StartsWith(
                "It began on NVIDIA H100, cuda, libtorch 2.10.0 and goes on on torch-cpu, libtorch 2.10.",
                happened.Warning.Message, StringComparison.Ordinal);
            return;
        }

        Assert.Fail("There was no warning.");
    }

    private static async Task<List<Classification>> AnswersAsync(ServerProcess server, string[] tasks) =>
        [.. (await server.Client.ClassifyAsync(Texts, tasks)).Results.SelectMany(result => result.Classifications)];
}

[NeedsTorchServer]
public sealed class TorchHotSwapTests : HotSwapTests
{
    private protected override ServerBuild Build => ServerBuild.Torch;

    private protected override int Changes => 200; // Batches of a small model take several times as long there.
}

[NeedsTorchServer]
public sealed class TorchJobKillTests : JobKillTests
{
    private protected override ServerBuild Build => ServerBuild.Torch;

    private protected override int Kills => 10; // Each worker and server loads libtorch first, which takes seconds.
}
