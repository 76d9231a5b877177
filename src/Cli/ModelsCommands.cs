using System.CommandLine;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving models list|show|pull|import|load|unload|delete</summary>
internal static class ModelsCommands
{
    private static readonly Argument<string> Name = new("model") { Description = "The name of its folder." };

    public static Command Create() =>
        new("models", "Backbones on disk and in memory.")
        {
            List(), Show(), PullCommand.Create(), ImportModelCommand.Create(), Load(), Unload(), Delete()
        };

    private static Command List()
    {
        var command = new Command("list", "All models.");
        command.Do(async (_, client, output, cancelled) =>
        {
            var response = await client.Models.ListModelsAsync(new(), cancellationToken: cancelled);
            output.Write(response, o => o.Table(
                ["MODEL", "LOADED", "SHAPE", "MEMORY", "TASK VERSIONS", "PROBLEM"],
                response.Models.Select(model => (string[])
                [
                    model.Name,
                    model.Loaded ? "yes" : "no",
                    $"{model.Layers} x {model.Hidden}",
                    Output.Bytes(model.Memory.Total),
                    model.Memory.TaskVersions.ToString(),
                    model.Problem
                ])));
        });
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "One model.") { Name };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Models.GetModelAsync(new() { Model = parsed.GetValue(Name) }, cancellationToken: cancelled),
            output));
        return command;
    }

    private static Command Load()
    {
        var command = new Command("load", "Reads a model into memory.") { Name };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Models.LoadModelAsync(new() { Model = parsed.GetValue(Name) }, cancellationToken: cancelled),
            output));
        return command;
    }

    private static Command Unload()
    {
        var force = new Option<bool>("--force") { Description = "Although aliases point at its tasks." };
        var command = new Command("unload", "Frees a model's memory.") { Name, force };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var request = new UnloadModelRequest { Model = parsed.GetValue(Name), Force = parsed.GetValue(force) };
            var response = await client.Models.UnloadModelAsync(request, cancellationToken: cancelled);
            output.Write(response, o => o.Line($"{request.Model}: {Output.Bytes(response.FreedBytes)} freed"));
        });
        return command;
    }

    private static Command Delete()
    {
        var force = new Option<bool>("--force") { Description = "Although versions of tasks are for it; they stay." };
        var command = new Command("delete", "Deletes a model's files; it must not be loaded.") { Name, force };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var request = new DeleteModelRequest { Model = parsed.GetValue(Name), Force = parsed.GetValue(force) };
            var response = await client.Models.DeleteModelAsync(request, cancellationToken: cancelled);
            output.Write(response, o => o.Line($"{request.Model}: {Output.Bytes(response.FreedFileBytes)} freed"));
        });
        return command;
    }

    private static string Shape(Model model) =>
        $"{model.Architecture}, {model.Layers} layers, hidden {model.Hidden}, {model.Heads} heads";

    private static void Print(Model model, Output output) => output.Write(model, o => o.Table(
        ["", model.Name],
        [
            ["loaded", model.Loaded ? "yes" : "no"],
            ["architecture", Shape(model)],
            ["vocabulary", model.Vocabulary.ToString()],
            ["max tokens", model.MaxTokens.ToString()],
            ["digest", model.Digest],
            ["device", model.Device],
            ["parameters", Output.Bytes(model.Memory.Parameters)],
            ["workspace", Output.Bytes(model.Memory.Workspace)],
            ["tasks", $"{Output.Bytes(model.Memory.Tasks)} in {model.Memory.TaskVersions} versions"],
            ["problem", model.Problem]
        ]));
}
