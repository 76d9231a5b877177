using System.CommandLine;
using Serving.Client;
using Serving.V1;
using Spectre.Console;

namespace Serving.Cli;

/// <summary>serving models import</summary>
internal static class ImportModelCommand
{
    public static Command Create()
    {
        var path = new Argument<string>("path")
        {
            Description = "A folder as the Hugging Face hub has it, or an ONNX export of BERT beside its vocabulary."
        };
        var name = new Option<string?>("--name")
        {
            Description = "What it is called here; the folder's name by default."
        };
        var replace = new Option<bool>("--replace") { Description = "In place of another model of that name." };
        var noLoad = new Option<bool>("--no-load") { Description = "Leaves it on disk." };
        var command = new Command("import", "Uploads a model; the server checks it as a whole before it keeps it.")
        {
            path, name, replace, noLoad
        };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var from = Path.GetFullPath(parsed.GetValue(path)!);
            var header = new ImportModelHeader
            {
                Model = parsed.GetValue(name) ?? NameOf(from),
                Replace = parsed.GetValue(replace),
                NoLoad = parsed.GetValue(noLoad)
            };
            var model = output.IsJson || Console.IsOutputRedirected
                ? await client.ImportModelAsync(header, from, cancellationToken: cancelled)
                : await DrawAsync(client, header, from, cancelled);
            output.Write(model, o => o.Line(
                $"{model.Name}: imported, {(model.Loaded ? "loaded" : "not loaded")}"
                + (model.Problem.Length > 0 ? $": {model.Problem}" : "")));
        });
        return command;
    }

    private static string NameOf(string path) => Path.GetFileNameWithoutExtension(path) == "model" && File.Exists(path)
        ? Path.GetFileName(Path.GetDirectoryName(path)!)
        : File.Exists(path) ? Path.GetFileNameWithoutExtension(path) : Path.GetFileName(path.TrimEnd('/', '\\'));

    /// <summary>A bar for the bytes; behind them the server checks and converts.</summary>
    private static Task<Model> DrawAsync(
        ServingClient client, ImportModelHeader header, string path, CancellationToken cancelled) =>
        AnsiConsole.Progress()
        .Columns(
            new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new DownloadedColumn(),
            new TransferSpeedColumn())
        .StartAsync(async context =>
        {
            var bar = context.AddTask("uploading", maxValue: Math.Max(1, ModelFolder.Bytes(ModelFolder.Files(path))));
            var progress = new Progress<long>(sent =>
            {
                bar.Value = sent;
                if (sent >= bar.MaxValue)
                    bar.Description = "checking";
            });
            var model = await client.ImportModelAsync(header, path, progress, cancelled);
            bar.StopTask();
            return model;
        });
}
