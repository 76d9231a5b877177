using System.CommandLine;
using System.Globalization;
using Serving.Client;
using Serving.V1;
using Spectre.Console;

namespace Serving.Cli;

/// <summary>serving jobs list|show|watch|download|cancel|resume|delete</summary>
internal static class JobsCommands
{
    private static readonly Argument<string> Id = new("job");

    public static Command Create() =>
        new("jobs", "Training jobs.") { List(), Show(), Watch(), Download(), Cancel(), Resume(), Delete() };

    /// <summary>Queues a job, and follows it if asked.</summary>
    /// <exception cref="CommandException">It was followed, and did not succeed.</exception>
    public static async Task SubmitAsync(
        ServingClient client, JobSpec spec, bool watch, Output output, CancellationToken cancelled)
    {
        var job = await client.Jobs.SubmitJobAsync(new() { Spec = spec }, cancellationToken: cancelled);
        if (!watch)
        {
            output.Write(job, o => o.Line(job.Id));
            return;
        }

        if (!output.IsJson)
            output.Line($"job {job.Id}");
        await FollowAsync(client, job.Id, output, cancelled);
    }

    private static Command List()
    {
        var limit = new Option<int>("--limit")
        {
            DefaultValueFactory = _ => 100,
            Description = "How many; older ones are left out."
        };
        var command = new Command("list", "The latest jobs.") { limit };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var most = parsed.GetValue(limit);
            if (most < 1)
                throw new CommandException($"--limit is {most}; 1 or more is needed.");
            var response = new ListJobsResponse();
            var isCut = false;
            await foreach (var job in client.ListJobsAsync(cancelled))
            {
                isCut = response.Jobs.Count == most;
                if (isCut)
                    break;
                response.Jobs.Add(job);
            }

            output.Write(response, o =>
            {
                o.Table(
                    ["JOB", "STATE", "RECIPE", "STEP", "METRICS", "MESSAGE"],
                    response.Jobs.Select(job => (string[])
                    [
                        job.Id,
                        Name(job.State),
                        RecipeOf(job),
                        job.Progress is { } progress ? $"{progress.Step}/{progress.TotalSteps}" : "",
                        Metrics(job.Metrics),
                        job.Message
                    ]));
                if (isCut)
                    o.Line("older ones are left out, see --limit");
            });
        });
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "One job.") { Id };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Jobs.GetJobAsync(new() { Id = parsed.GetValue(Id) }, cancellationToken: cancelled), output));
        return command;
    }

    private static Command Watch()
    {
        var command =
            new Command("watch", "Follows a job until it is over, whatever happens to the connection.") { Id };
        command.Do((parsed, client, output, cancelled) => FollowAsync(client, parsed.GetValue(Id)!, output, cancelled));
        return command;
    }

    private static Command Download()
    {
        var folder = new Argument<DirectoryInfo>("folder") { Description = "Is made." };
        var command = new Command("download", "Fetches the files that came out of a job.") { Id, folder };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var job = await client.Jobs.GetJobAsync(new() { Id = parsed.GetValue(Id) }, cancellationToken: cancelled);
            var root = parsed.GetValue(folder)!.FullName;
            foreach (var artifact in job.Artifacts)
                await client.DownloadArtifactAsync(job.Id, artifact.Name, Path.Combine(root, artifact.Name), cancelled);
            output.Write(job, o => o.Line(job.Artifacts.Count == 0
                ? $"{job.Id} has no files; a job has them once it succeeded."
                : string.Join('\n', job.Artifacts.Select(
                    artifact => $"{Path.Combine(root, artifact.Name)}  {Output.Bytes(artifact.Bytes)}"))));
        });
        return command;
    }

    private static Command Cancel()
    {
        var command = new Command("cancel", "Ends a job within a step.") { Id };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Jobs.CancelJobAsync(new() { Id = parsed.GetValue(Id) }, cancellationToken: cancelled),
            output));
        return command;
    }

    private static Command Resume()
    {
        var command =
            new Command("resume", "Lets a job that failed or was cancelled go on from its last checkpoint.") { Id };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Jobs.ResumeJobAsync(new() { Id = parsed.GetValue(Id) }, cancellationToken: cancelled),
            output));
        return command;
    }

    private static Command Delete()
    {
        var command = new Command("delete", "Deletes a job that is over; what it published stays.") { Id };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var response = await client.Jobs.DeleteJobAsync(
                new() { Id = parsed.GetValue(Id) }, cancellationToken: cancelled);
            output.Write(response, o => o.Line($"{parsed.GetValue(Id)} deleted"));
        });
        return command;
    }

    private static async Task FollowAsync(ServingClient client, string id, Output output, CancellationToken cancelled)
    {
        var events = client.WatchJobAsync(id, cancellationToken: cancelled);
        if (output.IsJson || Console.IsOutputRedirected)
            await PrintAsync(events, output);
        else
            await DrawAsync(events);
        var job = await client.Jobs.GetJobAsync(new() { Id = id }, cancellationToken: cancelled);
        if (job.State != JobState.Succeeded)
        {
            throw new CommandException(
                $"The job {Name(job.State)}{(job.Message.Length > 0 ? $": {job.Message}" : "")}");
        }

        if (!output.IsJson)
            Print(job, output);
    }

    private static async Task PrintAsync(IAsyncEnumerable<JobEvent> events, Output output)
    {
        await foreach (var happened in events)
            output.Write(happened, o => o.Line(Describe(happened)));
    }

    /// <summary>A bar for the steps; what else happens stands above it.</summary>
    private static Task DrawAsync(IAsyncEnumerable<JobEvent> events) => AnsiConsole.Progress()
        .Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn())
        .StartAsync(async context =>
        {
            var bar = context.AddTask("waiting", maxValue: 1);
            await foreach (var happened in events)
            {
                if (happened.Progress is { } progress)
                {
                    bar.MaxValue = progress.TotalSteps;
                    bar.Value = progress.Step;
                    bar.Description = Markup.Escape(Describe(progress));
                }
                else
                {
                    AnsiConsole.MarkupLine(Markup.Escape(Describe(happened)));
                }
            }

            bar.StopTask();
        });

    private static string Describe(JobEvent happened) => happened.EventCase switch
    {
        JobEvent.EventOneofCase.Progress => Describe(happened.Progress),
        JobEvent.EventOneofCase.Evaluation => Describe(happened.Evaluation),
        JobEvent.EventOneofCase.Warning => $"warning: {happened.Warning.Message}",
        _ => $"{Name(happened.State)}{(happened.Message.Length > 0 ? $": {happened.Message}" : "")}"
    };

    private static string Describe(JobEvaluation evaluation) =>
        $"evaluation at step {evaluation.Step}: {Metrics(evaluation.Metrics)}{(evaluation.Best ? " (best)" : "")}";

    private static string Describe(JobProgress progress) => string.Create(
        CultureInfo.InvariantCulture,
        $"step {progress.Step}/{progress.TotalSteps}  loss {progress.Loss:F3}  {progress.TokensPerSecond:F0} tokens/s"
        + $"{(progress.HasSecondsLeft ? $"  {TimeSpan.FromSeconds(Math.Round(progress.SecondsLeft)):c} left" : "")}"
        + $"{(progress.HeldBack ? "  held back: others use the processors" : "")}");

    private static string Metrics(IEnumerable<KeyValuePair<string, double>> metrics) => string.Join(
        "  ",
        metrics.OrderBy(metric => metric.Key, StringComparer.Ordinal)
            .Select(metric => string.Create(CultureInfo.InvariantCulture, $"{metric.Key} {metric.Value:F4}")));

    private static string RecipeOf(Job job) => job.Spec.RecipeCase switch
    {
        JobSpec.RecipeOneofCase.Classifier =>
            $"{Name(job.Spec.Classifier.Method)} {job.Spec.Classifier.Model} on {job.Spec.Classifier.Dataset}",
        JobSpec.RecipeOneofCase.Pretraining => $"pretrain on {string.Join(", ", job.Spec.Pretraining.Datasets)}",
        JobSpec.RecipeOneofCase.LanguageModel =>
            $"language model on {string.Join(", ", job.Spec.LanguageModel.Datasets)}",
        JobSpec.RecipeOneofCase.Evaluation =>
            $"evaluate {job.Spec.Evaluation.Task?.Task} on {job.Spec.Evaluation.Dataset}",
        JobSpec.RecipeOneofCase.TextEvaluation =>
            $"evaluate {job.Spec.TextEvaluation.Model} on {job.Spec.TextEvaluation.Dataset}",
        JobSpec.RecipeOneofCase.ExposureBias =>
            $"exposure bias of {job.Spec.ExposureBias.Model} on {job.Spec.ExposureBias.Dataset}",
        JobSpec.RecipeOneofCase.Vae => $"autoencoder of {string.Join(", ", job.Spec.Vae.Datasets)}",
        _ => Name(job.Spec.RecipeCase)
    };

    /// <summary>As people write it: "head only".</summary>
    private static string Name(Enum value) => string.Concat(
        value.ToString().Select(
            (c, i) => i > 0 && char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}" : char.ToLowerInvariant(c).ToString()));

    private static void Print(Job job, Output output) => output.Write(job, o => o.Table(["JOB", job.Id], (string[][])
    [
        ["state", Name(job.State)],
        ["recipe", RecipeOf(job)],
        ["message", job.Message],
        ["progress", job.Progress is { } progress ? Describe(progress) : ""],
        ["metrics", Metrics(job.Metrics)],
        ["task version", job.TaskVersion],
        ["files", string.Join(", ", job.Artifacts.Select(artifact => artifact.Name))]
    ]));
}
