using Grpc.Core;
using Serving.Testing;
using Serving.V1;
using Job = Serving.V1.Job;

namespace Serving.Server.Tests;

/// <summary>A server that trains, small jobs for it, and what to expect of them.</summary>
internal static class TrainingServer
{
    public static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    public static async Task<TestServer> StartAsync(params string[] settings)
    {
        var server = await TestServer.StartAsync(["--Server:TrainingThreads=1", .. settings]);
        await UploadAsync(
            server, "letters", Enumerable.Range(0, 90).Select(i => $"{Letters(i)}\t{(i % 2 == 0 ? "even" : "odd")}"));
        return server;
    }

    public static async Task UploadAsync(TestServer server, string name, IEnumerable<string> rows)
    {
        var path = Path.Combine(server.Data.Path, $"{name}.tsv");
        await File.WriteAllLinesAsync(path, rows.Prepend("text\tlabel"));
        await server.Client.UploadDatasetAsync(new() { Name = name, TextColumn = "text", LabelColumn = "label" }, path)
            .Within();
    }

    /// <summary>A dozen single letters that all differ, so that they fill a span of a corpus.</summary>
    public static string Letters(int i) =>
        string.Join(' ', Enumerable.Range(0, 12).Select(j => (char)('a' + (((i * (j + 3)) + j) % 26))));

    public static ClassifierRecipe Mask(int epochs) => new()
    {
        Method = TrainingMethod.Mask,
        Model = DataFolder.Model,
        Dataset = "letters",
        ValidationShare = 0.2,
        MaxTokens = 30,
        Epochs = epochs,
        BatchSize = 16,
        CheckpointInterval = 7,
        Seed = 3
    };

    public static async Task<Job> SubmitAsync(TestServer server, ClassifierRecipe recipe, Publish? publish) =>
        await server.Client.Jobs.SubmitJobAsync(new() { Spec = new() { Classifier = recipe, Publish = publish } });

    public static async Task<List<JobEvent>> WatchAsync(TestServer server, string id)
    {
        using var call = server.Client.Jobs.WatchJob(new() { Id = id });
        return await call.ResponseStream.ReadAllAsync().ToListAsync().AsTask().WaitAsync(Long);
    }

    /// <summary>Waits until a checkpoint of a step or a later one is there.</summary>
    public static Task ReachAsync(TestServer server, string id, int step) => Eventually.TrueAsync(
        () => Directory.Exists(Path.Combine(server.Data.Path, "jobs", id, "checkpoints"))
            && Directory.GetDirectories(Path.Combine(server.Data.Path, "jobs", id, "checkpoints"), "checkpoint-*")
                .Any(folder => int.Parse(Path.GetFileName(folder)["checkpoint-".Length..]) >= step),
        $"step {step} is reached");

    public static async Task<RpcException> Refused(Func<Task> call) => await Assert.ThrowsAsync<RpcException>(call);
}
