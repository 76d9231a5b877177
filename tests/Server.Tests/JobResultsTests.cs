using System.Text.Json;
using Grpc.Core;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;
using Job = Serving.V1.Job;

namespace Serving.Server.Tests;

/// <summary>What comes of jobs: files, aliases that move or do not, failures.</summary>
public sealed class JobResultsTests
{
    [Fact]
    public async Task Analyses_OfServedTasks_LeaveFilesToDownload()
    {
        await using var server = await StartAsync();
        foreach (var (task, seed) in ((string, ulong)[])[("first", 1), ("second", 2)])
        {
            var recipe = Mask(epochs: 1);
            recipe.Seed = seed;
            await WatchAsync(
                server, (await SubmitAsync(server, recipe, new() { Task = task, Alias = "production" })).Id);
        }

        var first = new TaskReference { Task = "first" };
        var second = new TaskReference { Task = "second", Alias = "production" };
        var evaluation = await RunAsync(
            server, new() { Evaluation = new() { Task = first, Dataset = "letters", MaxTokens = 30 } });
        Assert.Equal(["calibration.svg", "confusion.svg", "evaluation.json"], evaluation.Artifacts.Select(
            artifact => artifact.Name));
        var path = Path.Combine(server.Data.Path, "downloads", "evaluation.json");
        await server.Client.DownloadArtifactAsync(evaluation.Id, "evaluation.json", path);
        Assert.Equal(evaluation.Artifacts[2].Bytes, new FileInfo(path).Length);
        var report = JsonSerializer.Deserialize<JsonElement>(await File.ReadAllTextAsync(path));
        Assert.Equal(evaluation.Metrics["accuracy"], report.GetProperty("report").GetProperty("accuracy").GetDouble());

        // The served answers are the ones that were judged.
        var rows = (await File.ReadAllLinesAsync(Path.Combine(server.Data.Path, "letters.tsv"))).Skip(1)
            .Select(line => line.Split('\t')).ToList();
        var answers = await server.Client.ClassifyAsync([.. rows.Select(row => row[0])], ["first"]);
        Assert.Equal(evaluation.Metrics["accuracy"], answers.Results.Zip(rows)
            .Average(pair => pair.First.Classifications[0].Label == pair.Second[1] ? 1.0 : 0), 12);

        var similarity = await RunAsync(server, new() { MaskSimilarity = new() { Tasks = { first, second } } });
        Assert.InRange(similarity.Metrics["dissimilarity"], 0.01, 0.2);
        Assert.InRange(
            (await RunAsync(server, new() { Memory = new() { Task = first } })).Metrics["ratio_per_task"], 2, 1000);
        var between = new ConnectivityRecipe
        {
            First = first,
            Second = first,
            Dataset = "letters",
            MaxTokens = 30,
            Points = 3
        };
        var connectivity = await RunAsync(server, new() { Connectivity = between });
        Assert.Equal(0, connectivity.Metrics["line_accuracy_drop"], 12);
        var texts = new ProjectionRecipe { Task = first, Dataset = "letters", MostExamples = 20 };
        var projection = await RunAsync(server, new() { Projection = texts });
        Assert.Contains("silhouette_after", projection.Metrics.Keys);
        var swept = Mask(epochs: 1);
        swept.Seed = 0; // Those of the sweep are used.
        var sweep = await RunAsync(server, new() { Sweep = new() { Base = swept, InitialSparsities = { 0.1 } } });
        Assert.Equal(["initial sparsity 0.1"], sweep.Metrics.Keys);

        var unknown = await Refused(() => server.Client.DownloadArtifactAsync(evaluation.Id, "../job.json", path));
        Assert.Equal(StatusCode.NotFound, unknown.StatusCode);
        Assert.StartsWith($"There is no artifact '../job.json' of the job '{evaluation.Id}'.", unknown.Status.Detail);
        var missing = await Refused(() => server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Evaluation = new() { Task = new() { Task = "frist" }, Dataset = "letters" } } })
                .ResponseAsync);
        Assert.Equal((StatusCode.NotFound, true), (
            missing.StatusCode, missing.Status.Detail.Contains("'first'", StringComparison.Ordinal)));
        var setting = await Refused(() => server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { MaskSimilarity = new() { Tasks = { first } } } }).ResponseAsync);
        var seeded = await Refused(() => server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Sweep = new() { Base = Mask(epochs: 1), InitialSparsities = { 0.1 } } } })
                .ResponseAsync);
        Assert.Equal("spec.sweep.base.seed: It says nothing here; leave it out.", seeded.Status.Detail);
        var trained = Mask(epochs: 0);
        trained.Seed = 0;
        var nested = await Refused(() => server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Sweep = new() { Base = trained, InitialSparsities = { 0.1 } } } }).ResponseAsync);
        Assert.StartsWith("spec.sweep.base.epochs: It is 0;", nested.Status.Detail);
        Assert.Equal(
            "spec.mask_similarity.tasks: It is a list of 1; it must be 2 to 64 task versions.",
            setting.Status.Detail);
    }

    [Fact]
    public async Task Alias_NotBelowCurrent_MovesOnlyToAVersionThatIsAsGood()
    {
        await using var server = await StartAsync();
        await UploadAsync(server, "easy", Enumerable.Range(0, 60).Select(
            i => i % 2 == 0 ? $"q q q q {(char)('a' + (i % 15))}\tq" : $"b b b b {(char)('a' + (i % 15))}\tb"));
        var recipe = Mask(epochs: 12);
        (recipe.Method, recipe.Dataset, recipe.LearningRate) = (TrainingMethod.HeadOnly, "easy", 0.1);
        var publish = new Publish { Task = "easy", Alias = "production", NotBelowCurrent = true };

        var good = await RunAsync(server, new() { Classifier = recipe, Publish = publish });
        Assert.Equal(("", 1.0, false), (good.Message, good.Metrics["accuracy"], good.Metrics.ContainsKey("current")));
        recipe.LearningRate = 1e-9; // Stays as random as it begins.
        var bad = await RunAsync(server, new() { Classifier = recipe, Publish = publish });

        Assert.Equal(1, bad.Metrics["current"]);
        Assert.InRange(bad.Metrics["accuracy"], 0, 0.99);
        Assert.Matches(@"^The alias 'production' was not moved: the accuracy is 0\.\d{4}, below the 1\.0000 of the "
            + @"current version\.$", bad.Message);
        Assert.Equal(good.TaskVersion, (await server.Client.ClassifyAsync(["q q"], ["easy"]))
            .Results[0].Classifications[0].Version);
        recipe.LearningRate = 0.05;
        var better = await RunAsync(server, new() { Classifier = recipe, Publish = publish });
        Assert.Equal(("", 1.0, 1.0), (better.Message, better.Metrics["accuracy"], better.Metrics["current"]));
        Assert.Equal(better.TaskVersion, (await server.Client.ClassifyAsync(["q q"], ["easy"]))
            .Results[0].Classifications[0].Version);
    }

    [Fact]
    public async Task Loss_ThatIsNoNumber_FailsTheJob_AndServingGoesOn()
    {
        await using var server = await StartAsync();
        await UploadAsync(
            server, "huge", Enumerable.Range(0, 40).Select(i => $"{Letters(i)}\t{(i % 2 == 0 ? "3e38" : "-3e38")}"));
        var recipe = Mask(epochs: 1);
        (recipe.Dataset, recipe.Regression) = ("huge", true);
        var job = await SubmitAsync(server, recipe, null);
        await WatchAsync(server, job.Id);
        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.Equal(JobState.Failed, job.State);
        Assert.Matches("^The (loss|gradient) .* step 1", job.Message);
        Assert.Single((await server.Client.ClassifyAsync(["a"], ["t"])).Results);
    }

    [Fact]
    public async Task Disk_WhoseShareForJobsIsTaken_TakesNoMoreUntilOneIsDeleted()
    {
        await using var server = await StartAsync("--Server:MaxJobsBytes=2000");
        var first = await SubmitAsync(server, Mask(epochs: 1), null);
        await WatchAsync(server, first.Id);
        var full = await Refused(() => SubmitAsync(server, Mask(epochs: 1), null));
        Assert.Equal(StatusCode.ResourceExhausted, full.StatusCode);
        Assert.EndsWith(
            "bytes; 2000 are allowed (Server:MaxJobsBytes). Delete some that are over.", full.Status.Detail,
            StringComparison.Ordinal);
        await server.Client.Jobs.DeleteJobAsync(new() { Id = first.Id });
        await server.Client.Jobs.CancelJobAsync(new() { Id = (await SubmitAsync(server, Mask(epochs: 1), null)).Id });
    }

    [Fact]
    public async Task Model_ThatDoesNotFitIntoMemory_IsRefusedBeforeItBegins()
    {
        await using var server = await StartAsync();
        var recipe = new PretrainingRecipe
        {
            Datasets = { "letters" },
            HiddenSize = 8192,
            Layers = 128,
            Heads = 64,
            HeldOutDocuments = 10,
            Steps = 1
        };
        var refused = await Refused(() => server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Pretraining = recipe, Publish = new() { Model = "m" } } }).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
        Assert.Matches(@"^spec\.pretraining\.hidden_size: Training the model takes at least [\d.]+ GiB; there are "
            + @"[\d.]+ GiB\.", refused.Status.Detail);
    }

    private static async Task<Job> RunAsync(TestServer server, JobSpec spec)
    {
        var submitted = await server.Client.Jobs.SubmitJobAsync(new() { Spec = spec });
        await WatchAsync(server, submitted.Id);
        var job = await server.Client.Jobs.GetJobAsync(new() { Id = submitted.Id });
        Assert.True(job.State == JobState.Succeeded, job.Message);
        return job;
    }
}
