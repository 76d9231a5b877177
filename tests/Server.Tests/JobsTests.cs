using System.Diagnostics;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;
using Serving.Jobs;
using Serving.Models.Versions;
using Serving.Testing;
using Serving.V1;
using static Serving.Server.Tests.TrainingServer;
using Job = Serving.V1.Job;

namespace Serving.Server.Tests;

/// <summary>Jobs, in real worker processes.</summary>
public sealed class JobsTests
{
    [Fact]
    public async Task Mask_TrainedAndPublished_IsServedWithoutARestart()
    {
        await using var server = await StartAsync();
        var job = await SubmitAsync(
            server, Mask(epochs: 3), new() { Task = "letters", Alias = "production", MinMetric = 0.2 });

        var events = await WatchAsync(server, job.Id);

        Assert.Equal(Enumerable.Range(1, events.Count).Select(number => (long)number), events.Select(
            happened => happened.Number));
        Assert.Equal(
            [JobState.Queued, JobState.Running, JobState.Succeeded],
            events.Where(happened => happened.EventCase == JobEvent.EventOneofCase.State).Select(
                happened => happened.State));
        Assert.Equal(3, events.Count(happened => happened.EventCase == JobEvent.EventOneofCase.Evaluation));
        var last = events.Last(happened => happened.EventCase == JobEvent.EventOneofCase.Progress).Progress;
        Assert.Equal((last.TotalSteps, 0.0), (last.Step, last.SecondsLeft));
        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.Equal((JobState.Succeeded, "", events.Count), (job.State, job.Message, job.Events));
        Assert.InRange(job.Metrics["accuracy"], 0.2, 1);
        var answer = (await server.Client.ClassifyAsync(["a b c"], ["letters"])).Results[0].Classifications[0];
        Assert.Equal(job.TaskVersion, answer.Version);
        Assert.Contains(answer.Label, (string[])["even", "odd"]);
        Assert.Equal([job], (await server.Client.Jobs.ListJobsAsync(new())).Jobs);
    }

    [Fact]
    public async Task Alias_BelowTheGate_DoesNotMove()
    {
        await using var server = await StartAsync();
        var job = await SubmitAsync(
            server, Mask(epochs: 1), new() { Task = "letters", Alias = "production", MinMetric = 1.01 });
        await WatchAsync(server, job.Id);
        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.Equal(JobState.Succeeded, job.State);
        Assert.Matches(
            @"^The alias 'production' was not moved: the accuracy is 0\.\d{4}, below 1\.0100\.$", job.Message);
        var task = await server.Client.Tasks.GetTaskAsync(new() { Task = "letters" });
        Assert.Equal((job.TaskVersion, 0), (task.Versions.Single().Version, task.Aliases.Count));
    }

    [Fact]
    public async Task Backbone_PretrainedAndPublished_IsLoadedAndTrainedOn()
    {
        await using var server = await StartAsync();
        var pretraining = new PretrainingRecipe
        {
            Datasets = { "letters" },
            HiddenSize = 32,
            Layers = 2,
            Heads = 2,
            MaxPositions = 32,
            VocabularySize = 100,
            SequenceLength = 16,
            HeldOutDocuments = 10,
            Steps = 5,
            BatchSize = 8
        };
        var first = await server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Pretraining = pretraining, Publish = new() { Model = "own" } } });
        await WatchAsync(server, first.Id);
        var models = (await server.Client.Models.ListModelsAsync(new())).Models;
        Assert.Contains(models, model => model.Name == "own" && model.Loaded);
        var taken = await Refused(() => server.Client.Jobs.SubmitJobAsync(
            new() { Spec = new() { Pretraining = pretraining, Publish = new() { Model = "own" } } }).ResponseAsync);
        Assert.Equal((StatusCode.AlreadyExists, "There is a model 'own' already; choose another name."), (
            taken.StatusCode, taken.Status.Detail));

        var finetune = Mask(epochs: 1);
        (finetune.Method, finetune.Model, finetune.MaxTokens) = (TrainingMethod.Finetune, "own", 16);
        var second = await SubmitAsync(
            server, finetune, new() { Task = "letters", Alias = "production", Model = "tuned" });
        await WatchAsync(server, second.Id);

        Assert.Equal(JobState.Succeeded, (await server.Client.Jobs.GetJobAsync(new() { Id = second.Id })).State);
        Assert.Single((await server.Client.ClassifyAsync(["a b"], ["letters"])).Results);
    }

    /// <summary>
    /// The process is killed, the job cancelled and resumed, the server restarted: the same bits at the end.
    /// </summary>
    [Fact]
    public async Task Job_Disturbed_EndsWithTheBitsOfAnUndisturbedOne()
    {
        var server = await StartAsync();
        await using (server)
        {
            var calm = await SubmitAsync(server, Mask(epochs: 60), new() { Task = "calm" });
            await WatchAsync(server, calm.Id);
            var job = await SubmitAsync(server, Mask(epochs: 60), new() { Task = "disturbed" });

            await ReachAsync(server, job.Id, step: 20);
            var process = await server.Services.GetRequiredService<JobRunner>().WorkerIdAsync(job.Id);
            Process.GetProcessById(process!.Value).Kill();
            await ReachAsync(server, job.Id, step: 60);
            // It may have ended.
            var cancelled = await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
            Assert.Contains(cancelled.State, (JobState[])[JobState.Running, JobState.Cancelled]);
            await WatchAsync(server, job.Id);
            Assert.Equal(JobState.Cancelled, (await server.Client.Jobs.GetJobAsync(new() { Id = job.Id })).State);
            // It may have begun.
            var resumed = await server.Client.Jobs.ResumeJobAsync(new() { Id = job.Id });
            Assert.Contains(resumed.State, (JobState[])[JobState.Queued, JobState.Running]);
            await ReachAsync(server, job.Id, step: 100);
            var watching = WatchAsync(server, job.Id);
            await server.EndAsync();
            // It does not hold up the server's end.
            Assert.Equal(StatusCode.Unavailable, (await Refused(() => watching)).StatusCode);

            await using var again = await TestServer.RestartAsync(server.Data);
            var events = await WatchAsync(again, job.Id);

            Assert.Equal(Enumerable.Range(1, events.Count).Select(number => (long)number), events.Select(
                happened => happened.Number));
            Assert.Equal(JobState.Succeeded, (await again.Client.Jobs.GetJobAsync(new() { Id = job.Id })).State);
            Assert.Equal(Files(again, "calm"), Files(again, "disturbed"));
        }
    }

    [Fact]
    public async Task Job_WhileABatchIsComputed_IsHalted_AndCanStillBeCancelled()
    {
        await using var server = await StartAsync("--Server:TrainingRank=Low");
        var endless = Mask(epochs: 1000);
        endless.BatchSize = 1;
        var job = await SubmitAsync(server, endless, null);
        await ReachAsync(server, job.Id, step: 7);
        var worker = (await server.Services.GetRequiredService<JobRunner>().WorkerIdAsync(job.Id))!.Value;

        for (var batch = 0; batch < 3; batch++)
        {
            server.Backend.Close();
            var answer = server.Client.ClassifyAsync(["a"], ["t"]);
            await Eventually.TrueAsync(() => IsHalted(worker), "the worker is halted");
            server.Backend.Open();
            Assert.Single((await answer.Within()).Results);
            await Eventually.TrueAsync(() => !IsHalted(worker), "the worker goes on");
        }

        server.Backend.Close();
        var last = server.Client.ClassifyAsync(["a"], ["t"]);
        await Eventually.TrueAsync(() => IsHalted(worker), "the worker is halted");
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
        await WatchAsync(server, job.Id);
        Assert.Equal(JobState.Cancelled, (await server.Client.Jobs.GetJobAsync(new() { Id = job.Id })).State);
        server.Backend.Open();
        Assert.Single((await last.Within()).Results);
    }

    /// <summary>A job that serving leaves no time is not silent: its progress says so, and when it goes on.</summary>
    [Fact]
    public async Task Job_ThatIsHeldBack_SaysSoInItsProgress()
    {
        await using var server = await StartAsync("--Server:TrainingRank=Low");
        var endless = Mask(epochs: 1000);
        endless.BatchSize = 1;
        var job = await SubmitAsync(server, endless, null);
        await ReachAsync(server, job.Id, step: 7);
        server.Backend.Close();
        var answer = server.Client.ClassifyAsync(["a"], ["t"]);
        await Eventually.TrueAsync(() => Progress().HeldBack, "the job is held back");
        server.Backend.Open();
        Assert.Single((await answer.Within()).Results);
        await Eventually.TrueAsync(() => !Progress().HeldBack, "the job goes on");
        await server.Client.Jobs.CancelJobAsync(new() { Id = job.Id });
        var events = await WatchAsync(server, job.Id);
        Assert.Contains(events, happened => happened.Progress is { HeldBack: true, Step: > 0 });

        JobProgress Progress() => server.Client.Jobs.GetJob(new() { Id = job.Id }).Progress;
    }

    [Fact]
    public async Task Watch_FromACursor_LosesAndRepeatsNothing()
    {
        await using var server = await StartAsync();
        var job = await SubmitAsync(server, Mask(epochs: 60), null);
        var seen = new List<long>();
        while (true)
        {
            using var call = server.Client.Jobs.WatchJob(new() { Id = job.Id, Cursor = seen.Count });
            var count = 0;
            while (count < 2 && await call.ResponseStream.MoveNext(CancellationToken.None).WaitAsync(Long))
            {
                seen.Add(call.ResponseStream.Current.Number);
                count++;
            }

            if (count < 2)
                break; // The job is over; otherwise the connection is given up.
        }

        Assert.Equal(Enumerable.Range(1, seen.Count).Select(number => (long)number), seen);
        Assert.Equal((await server.Client.Jobs.GetJobAsync(new() { Id = job.Id })).Events, seen.Count);
        var beyond = await Refused(async () => await server.Client.Jobs.WatchJob(
            new() { Id = job.Id, Cursor = seen.Count + 1 }).ResponseStream.MoveNext(default));
        Assert.Equal(
            $"cursor: {seen.Count + 1} is out of range; 0 to {seen.Count}, the job's last event, is needed.",
            beyond.Status.Detail);
    }

    [Fact]
    public async Task Jobs_RunInTheirOrder_AndOnesThatWaitCanBeCancelled()
    {
        await using var server = await StartAsync();
        var jobs = new List<Job>();
        for (var i = 0; i < 3; i++)
            jobs.Add(await SubmitAsync(server, Mask(epochs: 2), null));
        var cancelled = await server.Client.Jobs.CancelJobAsync(new() { Id = jobs[1].Id });
        Assert.Equal(JobState.Cancelled, cancelled.State);
        foreach (var job in jobs)
            await WatchAsync(server, job.Id);

        var ended = (await server.Client.Jobs.ListJobsAsync(new())).Jobs;
        Assert.Equal(jobs.Select(job => job.Id).Reverse(), ended.Select(job => job.Id));
        Assert.Equal([JobState.Succeeded, JobState.Cancelled, JobState.Succeeded], ended.Select(job => job.State));
        Assert.True(ended[2].Ended.ToDateTime() <= ended[0].Started.ToDateTime());
        var page = await server.Client.Jobs.ListJobsAsync(new() { PageSize = 2 });
        Assert.Equal([jobs[0].Id], (await server.Client.Jobs.ListJobsAsync(new() { PageToken = page.NextPageToken }))
            .Jobs.Select(job => job.Id));
        await server.Client.Jobs.DeleteJobAsync(new() { Id = jobs[0].Id });
        Assert.Equal(StatusCode.NotFound, (
            await Refused(() => server.Client.Jobs.GetJobAsync(new() { Id = jobs[0].Id }).ResponseAsync)).StatusCode);
        var over = await Refused(() => server.Client.Jobs.ResumeJobAsync(new() { Id = jobs[2].Id }).ResponseAsync);
        Assert.Equal("The job is succeeded; only one that failed or was cancelled can be resumed.", over.Status.Detail);
    }

    [Fact]
    public async Task Dataset_DeletedUnderAJob_FailsIt_AndServingGoesOn()
    {
        await using var server = await StartAsync();
        var first = await SubmitAsync(server, Mask(epochs: 20), null);
        var second = await SubmitAsync(server, Mask(epochs: 20), null);
        await server.Client.Datasets.DeleteDatasetAsync(new() { Name = "letters" });
        await server.Client.Jobs.CancelJobAsync(new() { Id = first.Id });
        await WatchAsync(server, second.Id);

        var failed = await server.Client.Jobs.GetJobAsync(new() { Id = second.Id });
        Assert.Equal(JobState.Failed, failed.State);
        Assert.Contains("letters", failed.Message, StringComparison.Ordinal);
        Assert.Single((await server.Client.ClassifyAsync(["a"], ["t"])).Results);
    }

    /// <summary>A job that can't even be marked as failed is over, and serving goes on.</summary>
    [Fact]
    public async Task Disk_ThatTakesNothingMore_FailsTheJob_AndServingGoesOn()
    {
        await using var server = await StartAsync();
        var job = await SubmitAsync(server, Mask(epochs: 400), null);
        await ReachAsync(server, job.Id, step: 7);
        var checkpoints = Path.Combine(server.Data.Path, "jobs", job.Id, "checkpoints");

        // No more folders there: a file is where the next one would be made.
        await Eventually.TrueAsync(() => TryBlock(checkpoints), "checkpoints can't be written any more");
        await WatchAsync(server, job.Id);

        job = await server.Client.Jobs.GetJobAsync(new() { Id = job.Id });
        Assert.Equal(JobState.Failed, job.State);
        Assert.Contains("checkpoints", job.Message, StringComparison.Ordinal);
        Assert.Single((await server.Client.ClassifyAsync(["a"], ["t"])).Results);

        static bool TryBlock(string folder)
        {
            try
            {
                Directory.Delete(folder, recursive: true);
                File.WriteAllText(folder, "");
                return true;
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task Submit_WithoutRates_SaysWhichFollowFromTheModel()
    {
        await using var server = await StartAsync();
        var recipe = Mask(epochs: 1);
        var job = await SubmitAsync(server, recipe, publish: null);
        var rates = (job.Spec.Classifier.LearningRate, job.Spec.Classifier.HeadLearningRate);
        recipe.LearningRate = 0.5;
        var given = await SubmitAsync(server, recipe, publish: null);
        Assert.Equal((0.02, 0.01), rates);
        Assert.Equal(0.5, given.Spec.Classifier.LearningRate);
    }

    [Fact]
    public async Task Submit_WhatCannotBe_IsRefusedWithItsField()
    {
        await using var server = await StartAsync();
        await UploadAsync(server, "same", Enumerable.Range(0, 20).Select(i => $"{Letters(i)}\tone"));
        async Task RefusedAsync(
            StatusCode status, string? field, string message, Action<ClassifierRecipe> change, Publish? publish = null)
        {
            var recipe = Mask(epochs: 1);
            change(recipe);
            var refused = await Refused(() => SubmitAsync(server, recipe, publish));
            Assert.Equal(
                (status, field is null ? message : $"{field}: {message}"), (refused.StatusCode, refused.Status.Detail));
            if (field is not null)
                Assert.Equal(field, refused.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);
        }

        const StatusCode invalid = StatusCode.InvalidArgument;
        await RefusedAsync(
            invalid, "spec.classifier.epochs", "It is 0; it must be 1 to 1000.", recipe => recipe.Epochs = 0);
        await RefusedAsync(
            invalid, "spec.classifier.learning_rate", "It is 2; it must be above 0, at most 1.",
            recipe => recipe.LearningRate = 2);
        await RefusedAsync(
            invalid,
            "spec.classifier.max_tokens",
            "It is 41; it must be 3 to 40, what the model has positions for.",
            recipe => recipe.MaxTokens = 41);
        await RefusedAsync(
            invalid, "spec.classifier.method", "It is missing; finetune, mask or head only is needed.",
            recipe => recipe.Method = TrainingMethod.Unspecified);
        await RefusedAsync(
            invalid,
            "spec.classifier.dataset",
            "All rows of the dataset 'same' have the label 'one'; at least two labels are needed.",
            recipe => recipe.Dataset = "same");
        await RefusedAsync(
            invalid,
            "spec.classifier.validation_dataset",
            "Labels that come only in validation: one. Give examples to learn them from.",
            recipe => recipe.ValidationDataset = "same");
        await RefusedAsync(StatusCode.NotFound, null, "There is no dataset 'lettres'. The nearest are 'letters', "
            + "'same'.", recipe => recipe.Dataset = "lettres");
        await RefusedAsync(
            StatusCode.NotFound, null, $"There is no model 'x'. The nearest are '{DataFolder.Model}'.",
            recipe => recipe.Model = "x");
        await RefusedAsync(
            invalid,
            "spec.publish.model",
            "No model comes of this recipe; leave it out.",
            _ => { },
            new() { Model = "m" });
        await RefusedAsync(
            invalid,
            "spec.publish.alias",
            "An alias is of a task; name the task, too.",
            _ => { },
            new() { Alias = "production" });
        Assert.Empty((await server.Client.Jobs.ListJobsAsync(new())).Jobs);
        Assert.Empty(Directory.GetDirectories(Path.Combine(server.Data.Path, "jobs")));
    }

    /// <summary>
    /// Whether the kernel has stopped a process; its state is behind its name, which is in parentheses.
    /// </summary>
    private static bool IsHalted(int process)
    {
        var line = File.ReadAllText($"/proc/{process}/stat");
        return line[line.LastIndexOf(')') + 2] == 'T';
    }

    /// <summary>Digests of a task's masks and head.</summary>
    private static IReadOnlyDictionary<string, string> Files(TestServer server, string task)
    {
        var folder = Directory.GetDirectories(Path.Combine(server.Data.Path, "tasks", task)).Single();
        return VersionFiles.ReadManifest(folder, Path.GetFileName(folder)).Files;
    }
}
