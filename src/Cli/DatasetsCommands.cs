using System.CommandLine;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving datasets upload|list|show|delete</summary>
internal static class DatasetsCommands
{
    private static readonly Argument<string> Name = new("name");

    public static Command Create() => new("datasets", "Texts to learn from and to be judged by.")
    {
        Upload(), List(), Show(), Delete()
    };

    private static Command Upload()
    {
        var file = new Argument<FileInfo>("file")
        {
            Description = ".tsv, .csv, .jsonl or .txt (a text a line), also gzipped with .gz."
        };
        var text = new Option<string>("--text-column") { DefaultValueFactory = _ => "text" };
        var pair = new Option<string?>("--pair-column") { Description = "For tasks that read two texts." };
        var label = new Option<string?>("--label-column") { Description = "Left out for texts without labels." };
        var noHeader = new Option<bool>("--no-header") { Description = "Columns are then numbers from 1." };
        var rejected = new Option<long>("--max-rejected-rows")
        {
            Description = "How many rows may be left out because they can't be used."
        };
        var command = new Command("upload", "Uploads a file.") { Name, file, text, pair, label, noHeader, rejected };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var path = parsed.GetValue(file)!;
            var format = Format(path.Name);
            var isTable = format != DatasetFormat.Lines;
            var header = new DatasetHeader
            {
                Name = parsed.GetValue(Name),
                Format = format,
                TextColumn = isTable ? parsed.GetValue(text) : "",
                PairColumn = parsed.GetValue(pair) ?? "",
                LabelColumn = parsed.GetValue(label) ?? "",
                NoHeader = parsed.GetValue(noHeader),
                MaxRejectedRows = parsed.GetValue(rejected)
            };
            if (!path.Exists)
                throw new CommandException($"{path.FullName} is not there.");
            Print(await client.UploadDatasetAsync(header, path.FullName, cancellationToken: cancelled), output);
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "All datasets.");
        command.Do(async (_, client, output, cancelled) =>
        {
            var all = await client.Datasets.ListDatasetsAsync(new(), cancellationToken: cancelled);
            output.Write(all, o => o.Table(
                ["DATASET", "ROWS", "LABELS", "PAIRS", "SIZE", "DIGEST"],
                all.Datasets.Select(dataset => (string[])
                [
                    dataset.Name,
                    dataset.Rows.ToString(),
                    dataset.Labels.Count.ToString(),
                    dataset.HasPairs ? "yes" : "no",
                    Output.Bytes(dataset.Bytes),
                    dataset.Digest[..12]
                ])));
        });
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "One dataset, with its first rows.") { Name };
        command.Do(async (parsed, client, output, cancelled) => Print(
            await client.Datasets.GetDatasetAsync(new() { Name = parsed.GetValue(Name) }, cancellationToken: cancelled),
            output));
        return command;
    }

    private static Command Delete()
    {
        var command = new Command("delete", "Deletes a dataset.") { Name };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var response = await client.Datasets.DeleteDatasetAsync(
                new() { Name = parsed.GetValue(Name) }, cancellationToken: cancelled);
            output.Write(response, o => o.Line($"{parsed.GetValue(Name)}: {Output.Bytes(response.FreedBytes)} freed"));
        });
        return command;
    }

    private static DatasetFormat Format(string name)
    {
        const string gzip = ".gz";
        var unzipped = name.EndsWith(gzip, StringComparison.OrdinalIgnoreCase) ? name[..^gzip.Length] : name;
        var extension = Path.GetExtension(unzipped).ToLowerInvariant();
        return extension switch
        {
            ".tsv" => DatasetFormat.Tsv,
            ".csv" => DatasetFormat.Csv,
            ".jsonl" or ".ndjson" => DatasetFormat.Jsonl,
            ".txt" => DatasetFormat.Lines,
            _ => throw new CommandException(
                $"{name} ends in '{extension}'; .tsv, .csv, .jsonl and .txt can be uploaded, also with {gzip}.")
        };
    }

    private static void Print(Dataset dataset, Output output) => output.Write(dataset, o =>
    {
        var rejected = dataset.Rejected.Take(3).Select(row => $"line {row.Line} {row.Reason}");
        var labels = dataset.Labels.Take(20).Select(label => $"{label.Label} ({label.Rows})");
        o.Table(["DATASET", dataset.Name], (string[][])
        [
            ["digest", dataset.Digest],
            ["rows", dataset.Rows.ToString()],
            ["left out", dataset.RejectedRows == 0 ? "none" : $"{dataset.RejectedRows}: {string.Join("; ", rejected)}"],
            ["pairs", dataset.HasPairs ? "yes" : "no"],
            ["labels", dataset.Labels.Count == 0 ? "none" : string.Join(", ", labels)],
            ["size", Output.Bytes(dataset.Bytes)]
        ]);
        if (dataset.Preview.Count == 0)
            return;
        var rows = dataset.Preview.Select(row => (string[])[row.Label, Shown(row.Text), Shown(row.Pair)]);
        o.Table(["LABEL", "TEXT", "PAIR"], rows);
    });

    private static string Shown(string text)
    {
        const int most = 60;
        return text.Length <= most ? text : text[..most] + "...";
    }
}
