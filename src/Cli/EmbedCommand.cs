using System.CommandLine;
using Serving.Client;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving embed: vectors of texts, or of a file of them.</summary>
internal static class EmbedCommand
{
    /// <summary>Of a call; several calls are under way at a time.</summary>
    private const int TextsPerCall = 64;

    private const int MostCalls = 4;

    private static readonly Argument<string[]> Texts = new("text") { Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<string> Model = new("--model")
    {
        DefaultValueFactory = _ => "",
        Description = "The model; that of the task, or the only one that is loaded, by default."
    };
    private static readonly Option<string?> TaskOption =
        new("--task") { Description = "TASK, TASK@ALIAS or TASK:VERSION, whose mask the model is seen through." };
    private static readonly Option<string?> PoolingOption = new("--pooling")
    {
        Description = "What a vector is made of; what the task's head sees, or the mean without a task, by default."
    };
    private static readonly Option<bool> NoNormalize =
        new("--no-normalize") { Description = "Leaves vectors as long as they are; they have length 1 by default." };
    private static readonly Option<FileInfo?> Input =
        new("--input") { Description = "A .tsv, .csv or .jsonl file with one text a line." };
    private static readonly Option<FileInfo?> OutputFile = new("--output")
    {
        Description = "Gets the vectors: .jsonl with a line for each text, or .npy, float32 [texts, dimensions]."
    };
    private static readonly Option<string?> TextColumn =
        new("--text-column") { Description = "Name, or number from 1; 'text' or 'sentence' by default." };
    private static readonly Option<string?> PairColumn =
        new("--pair-column") { Description = "Of the second texts, for pairs." };
    private static readonly Option<bool> NoHeader =
        new("--no-header") { Description = "The first line is a text already; columns go by number." };
    private static readonly Option<bool> Truncate =
        new("--truncate") { Description = "Shorten texts that are too long." };

    public static Command Create()
    {
        PoolingOption.AcceptOnlyFromAmong(
            [.. Enum.GetNames<Pooling>().Skip(1).Select(name => name.ToLowerInvariant())]);
        var command = new Command("embed", "Gives texts' vectors.")
        {
            Texts, Model, TaskOption, PoolingOption, NoNormalize, Input, OutputFile, TextColumn, PairColumn, NoHeader,
            Truncate
        };
        command.Do(async (parsed, client, output, cancelled) =>
        {
            var rows = Rows(parsed);
            if (parsed.GetValue(OutputFile) is not { } target)
            {
                await RunAsync(parsed, client, rows, new JsonVectors(Console.OpenStandardOutput()), cancelled);
                return;
            }

            // Under its name once it is whole.
            var part = target.FullName + ".part";
            try
            {
                await using (var stream = File.Create(part))
                    await RunAsync(parsed, client, rows, Writer(target, stream, rows.Count), cancelled);
                File.Move(part, target.FullName, overwrite: true);
            }
            catch
            {
                File.Delete(part);
                throw;
            }

            if (!output.IsJson)
                output.Line($"{rows.Count} vectors in {target}");
        });
        return command;
    }

    private static IReadOnlyList<InputRow> Rows(ParseResult parsed) =>
        (parsed.GetValue(Texts), parsed.GetValue(Input)) switch
        {
            ({ Length: > 0 } texts, null) => [.. texts.Select(text => new InputRow(text, Pair: null, Label: null))],
            (null or [], { } file) => InputFile.Read(file.FullName, new(
                parsed.GetValue(TextColumn), parsed.GetValue(PairColumn), Label: null, !parsed.GetValue(NoHeader))),
            _ => throw new CommandException("Give texts, or a file with --input.")
        };

    private static IVectorWriter Writer(FileInfo target, Stream stream, int count) =>
        target.Extension.ToLowerInvariant() switch
        {
            ".npy" => new NpyVectors(stream, count),
            ".jsonl" or ".ndjson" => new JsonVectors(stream),
            var other => throw new CommandException($"{target} ends in '{other}'; .jsonl and .npy can be written.")
        };

    /// <summary>Writes vectors in the order of their texts, while the next ones are computed.</summary>
    private static async Task RunAsync(
        ParseResult parsed, ServingClient client, IReadOnlyList<InputRow> rows, IVectorWriter writer,
        CancellationToken cancelled)
    {
        await Progress.RunAsync(parsed.GetValue(Input)?.Name ?? "texts", rows.Count, async step =>
        {
            var running = new Queue<(InputRow[] Rows, Task<EmbedResponse> Answer)>();
            foreach (var chunk in rows.Chunk(TextsPerCall))
            {
                if (running.Count == MostCalls)
                    await FinishAsync();
                running.Enqueue((chunk, client.Embedder.EmbedAsync(
                    Request(parsed, chunk), cancellationToken: cancelled).ResponseAsync));
            }

            while (running.Count > 0)
                await FinishAsync();

            async Task FinishAsync()
            {
                var (texts, answer) = running.Dequeue();
                foreach (var (row, embedding) in texts.Zip((await answer).Embeddings))
                    writer.Write(row, [.. embedding.Values]);
                step(texts.Length);
            }
        });
        writer.Flush();
    }

    private static EmbedRequest Request(ParseResult parsed, InputRow[] rows)
    {
        var request = new EmbedRequest
        {
            Inputs = { rows.Select(row => row.Pair is null
                ? new TextInput { Text = row.Text }
                : new TextInput { Text = row.Text, Pair = row.Pair }) },
            Model = parsed.GetValue(Model),
            Normalize = !parsed.GetValue(NoNormalize),
            Truncation = parsed.GetValue(Truncate) ? Truncation.LongestFirst : Truncation.Error
        };
        if (parsed.GetValue(TaskOption) is { } task)
            request.Task = References.Parse(task);
        if (parsed.GetValue(PoolingOption) is { } pooling)
            request.Pooling = Enum.Parse<Pooling>(pooling, ignoreCase: true);
        return request;
    }
}
