using System.CommandLine;
using Grpc.Core;
using Serving.Client;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving tasks list|show|promote|rollback|load|unload|export|import|delete|compare</summary>
internal static class TasksCommands
{
    private static readonly Argument<string> Name = new("task");

    private static readonly Argument<string> Version = new("version")
    {
        Description = "64 hexadecimal digits, or as many of the first as tell it from the task's others."
    };

    private static readonly Option<string> Alias = new("--alias") { DefaultValueFactory = _ => "production" };

    public static Command Create() => new("tasks", "Task versions: stored, in memory, served.")
    {
        List(), Show(), Promote(), Rollback(), Load(), Unload(), Export(), Import(), Delete(), Compare()
    };

    private static Command List()
    {
        var command = new Command("list", "All tasks.");
        command.Do(async (_, client, output, cancelled) =>
        {
            var all = new ListTasksResponse();
            await foreach (var task in client.ListTasksAsync(cancelled))
                all.Tasks.Add(task);
            output.Write(all, o => o.Table(
                ["TASK", "VERSIONS", "LOADED", "MEMORY", "ALIASES"],
                all.Tasks.Select(task => (string[])
                [
                    task.Name,
                    task.Versions.Count.ToString(),
                    task.Versions.Count(version => version.Loaded).ToString(),
                    Output.Bytes(task.Versions.Sum(version => version.ResidentBytes)),
                    string.Join(", ", task.Aliases.Select(alias => $"{alias.Name} -> {Short(alias.Version)}"))
                ])));
        });
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "One task's versions and aliases.") { Name };
        command.Do(
            async (parsed, client, output, cancelled) => Print(await GetAsync(client, parsed, cancelled), output));
        return command;
    }

    private static Command Promote()
    {
        var canary = new Option<double?>("--canary")
        {
            Description = "Sends this share of requests to the version, 0 to 1, instead of all."
        }.OnlyStrict();
        var shadow = new Option<bool>("--shadow")
        {
            Description = "Only runs the version along; answers stay those of the alias."
        };
        var command = new Command("promote", "Points an alias at a version.") { Name, Version, Alias, canary, shadow };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var version = await VersionAsync(client, parsed, cancelled);
            var request = new SetAliasRequest { Task = parsed.GetValue(Name), Alias = parsed.GetValue(Alias) };
            if (parsed.GetValue(canary) is { } share)
                request.Canary = new() { Version = version, Share = share };
            else if (parsed.GetValue(shadow))
                request.ShadowVersion = version;
            else
                request.Version = version;
            Print(await client.Tasks.SetAliasAsync(request, cancellationToken: cancelled), output);
        });
        return command;
    }

    private static Command Rollback()
    {
        var command = new Command("rollback", "Points an alias at the version before.") { Name, Alias };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Tasks.SetAliasAsync(
                new() { Task = parsed.GetValue(Name), Alias = parsed.GetValue(Alias), Rollback = true },
                cancellationToken: cancelled),
            output));
        return command;
    }

    private static Command Load()
    {
        var command = new Command("load", "Copies a version into memory.") { Name, Version };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var request = new LoadTaskRequest
            {
                Task = parsed.GetValue(Name),
                Version = await VersionAsync(client, parsed, cancelled)
            };
            var response = await client.Tasks.LoadTaskAsync(request, cancellationToken: cancelled);
            output.Write(
                response, o => o.Line($"{request.Task} {request.Version}: {Output.Bytes(response.ResidentBytes)}"));
        });
        return command;
    }

    private static Command Unload()
    {
        var command = new Command("unload", "Frees a version's memory.") { Name, Version };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var request = new UnloadTaskRequest
            {
                Task = parsed.GetValue(Name),
                Version = await VersionAsync(client, parsed, cancelled)
            };
            var response = await client.Tasks.UnloadTaskAsync(request, cancellationToken: cancelled);
            output.Write(
                response, o => o.Line($"{request.Task} {request.Version}: {Output.Bytes(response.FreedBytes)} freed"));
        });
        return command;
    }

    private static Command Export()
    {
        var folder = new Argument<DirectoryInfo>("folder") { Description = "Is made." };
        var version = new Option<string?>("--version") { Description = "Instead of the alias' version." };
        var command = new Command("export", "Downloads a version.") { Name, folder, Alias, version };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var task = new TaskReference { Task = parsed.GetValue(Name), Alias = parsed.GetValue(Alias) };
            if (parsed.GetValue(version) is { } chosen)
                task.Version = await VersionAsync(client, parsed.GetValue(Name)!, chosen, cancelled);
            var path = parsed.GetValue(folder)!.FullName;
            var exported = await client.ExportTaskAsync(task, path, cancellationToken: cancelled);
            output.Write(
                new ImportTaskResponse { Version = exported }, o => o.Line($"{task.Task} {exported} is in {path}"));
        });
        return command;
    }

    private static Command Import()
    {
        var folder = new Argument<DirectoryInfo>("folder")
        {
            Description = "With task.json, mask.safetensors and head.safetensors."
        };
        var version = new Option<string?>("--version") { Description = "What it must hash to." };
        var alias = new Option<string?>("--alias")
        {
            Description = "An alias to point at it; production by default, if it is the task's first version."
        };
        var noAlias = new Option<bool>("--no-alias") { Description = "Points no alias at it." };
        var command = new Command("import", "Uploads a version.") { Name, folder, alias, noAlias, version };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var header = new ImportHeader
            {
                Task = parsed.GetValue(Name),
                ExpectedVersion = parsed.GetValue(version) ?? "",
                Alias = parsed.GetValue(alias) ?? "",
                NoAlias = parsed.GetValue(noAlias)
            };
            var response = await client.ImportTaskAsync(
                header, parsed.GetValue(folder)!.FullName, cancellationToken: cancelled);
            output.Write(response, o => o.Line(
                $"{parsed.GetValue(Name)} {response.Version}{(response.Created ? "" : " was there already")}"));
        });
        return command;
    }

    private static Command Delete()
    {
        var command = new Command("delete", "Deletes a version's files.") { Name, Version };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var request = new DeleteTaskVersionRequest
            {
                Task = parsed.GetValue(Name),
                Version = await VersionAsync(client, parsed, cancelled)
            };
            var response = await client.Tasks.DeleteTaskVersionAsync(request, cancellationToken: cancelled);
            output.Write(response, o => o.Line(
                $"{request.Task} {request.Version}: {Output.Bytes(response.FreedFileBytes)} of files deleted"));
        });
        return command;
    }

    private static Command Compare()
    {
        var tasks =
            new Argument<string[]>("tasks") { Arity = new(2, 16), Description = "TASK, TASK@ALIAS or TASK:VERSION." };
        var command = new Command("compare", "How far masks lie apart: 0 for equal, 1 for disjoint.") { tasks };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var names = parsed.GetValue(tasks)!;
            var response = await client.Tasks.CompareTasksAsync(
                new() { Tasks = { names.Select(References.Parse) } }, cancellationToken: cancelled);
            output.Write(response, o => o.Table(
                ["TASK", "TASK", "DISSIMILARITY"],
                response.Comparisons.Select(
                    pair => (string[])[names[pair.First], names[pair.Second], pair.Dissimilarity.ToString("F6")])));
        });
        return command;
    }

    private static void Print(V1.Task task, Output output) => output.Write(task, o =>
    {
        o.Table(
            ["VERSION", "LOADED", "MEMORY", "FILES", "DENSITY", "POOLING", "LABELS", "METRICS"],
            task.Versions.Select(version => (string[])
            [
                version.Version,
                version.Loaded ? "yes" : "no",
                Output.Bytes(version.ResidentBytes),
                Output.Bytes(version.FileBytes),
                version.Density.ToString("F4"),
                version.Pooling.ToString().ToLowerInvariant(),
                string.Join(", ", version.Labels),
                string.Join(", ", version.Metrics.Select(metric => $"{metric.Key} {metric.Value:F4}"))
            ]));
        o.Table(
            ["ALIAS", "VERSION", "CANARY", "SHADOW"],
            task.Aliases.Select(alias => (string[])
            [
                alias.Name,
                alias.Version,
                alias.Canary is { } canary ? $"{Short(canary.Version)} gets {canary.Share:P0}" : "",
                Short(alias.ShadowVersion)
            ]));
    });

    private static string Short(string version) => version.Length > 12 ? version[..12] : version;

    private static async Task<V1.Task> GetAsync(
        ServingClient client, ParseResult parsed, CancellationToken cancelled) =>
        await client.Tasks.GetTaskAsync(new() { Task = parsed.GetValue(Name) }, cancellationToken: cancelled);

    private static Task<string> VersionAsync(ServingClient client, ParseResult parsed, CancellationToken cancelled) =>
        VersionAsync(client, parsed.GetValue(Name)!, parsed.GetValue(Version)!, cancelled);

    /// <summary>Completes a version from its first digits.</summary>
    private static async Task<string> VersionAsync(
        ServingClient client, string task, string start, CancellationToken cancelled)
    {
        const int versionLength = 64;
        if (start.Length >= versionLength)
            return start;
        var known = await client.Tasks.GetTaskAsync(new() { Task = task }, cancellationToken: cancelled);
        var fitting = known.Versions.Select(version => version.Version)
            .Where(version => version.StartsWith(start, StringComparison.OrdinalIgnoreCase))
            .ToList();
        return fitting.Count == 1
            ? fitting[0]
            : throw new CommandException(
                $"{fitting.Count} versions of the task '{task}' begin with '{start}'; name one: "
                + string.Join(", ", known.Versions.Select(version => Short(version.Version))));
    }
}

/// <summary>References to tasks as people type them.</summary>
internal static class References
{
    /// <summary>TASK, TASK@ALIAS or TASK:VERSION.</summary>
    public static TaskReference Parse(string text)
    {
        var at = text.IndexOfAny(['@', ':']);
        if (at < 0)
            return new() { Task = text };
        var reference = new TaskReference { Task = text[..at] };
        if (text[at] == '@')
            reference.Alias = text[(at + 1)..];
        else
            reference.Version = text[(at + 1)..];
        return reference;
    }
}
