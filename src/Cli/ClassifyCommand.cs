using System.CommandLine;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Serving.Client;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving classify: one text, or a file of them.</summary>
internal static class ClassifyCommand
{
    private static readonly Option<string[]> Tasks = new("--task")
    {
        Required = true,
        AllowMultipleArgumentsPerToken = true,
        Description = "TASK, TASK@ALIAS or TASK:VERSION; several for one text."
    };
    private static readonly Argument<string?> Text = new("text") { Arity = ArgumentArity.ZeroOrOne };
    private static readonly Option<string?> Pair =
        new("--pair") { Description = "The second text, for tasks that read pairs." };
    private static readonly Option<FileInfo?> Input =
        new("--input") { Description = "A .tsv, .csv or .jsonl file with one text a line." };
    private static readonly Option<FileInfo?> OutputFile =
        new("--output") { Description = "Gets a line for each text: its number, label and probability." };
    private static readonly Option<string?> TextColumn =
        new("--text-column") { Description = "Name, or number from 1; 'text' or 'sentence' by default." };
    private static readonly Option<string?> PairColumn = new("--pair-column");
    private static readonly Option<string?> LabelColumn =
        new("--label-column") { Description = "What is right: a label or its number from 0; 'label' by default." };
    private static readonly Option<string?> Labels = new(FileLabels.Option)
    {
        Description = "Whether labels of the file are names or numbers from 0; what they can be by default."
    };
    private static readonly Option<bool> NoHeader =
        new("--no-header") { Description = "The first line is a text already; columns go by number." };
    private static readonly Option<bool> Truncate =
        new("--truncate") { Description = "Shorten texts that are too long." };

    public static Command Create()
    {
        Labels.AcceptOnlyFromAmong(FileLabels.Names, FileLabels.Numbers);
        var command = new Command("classify", "Classifies a text, or a file of texts and prints how many are right.")
        {
            Text, Tasks, Pair, Input, OutputFile, TextColumn, PairColumn, LabelColumn, Labels, NoHeader, Truncate
        };
        command.Do((parsed, client, output, cancelled) => (parsed.GetValue(Text), parsed.GetValue(Input)) switch
        {
            ({ } text, null) => ClassifyTextAsync(parsed, client, output, text, cancelled),
            (null, { } file) => ClassifyFileAsync(parsed, client, output, file, cancelled),
            _ => throw new CommandException("Give a text, or a file with --input.")
        });
        return command;
    }

    private static async Task ClassifyTextAsync(
        ParseResult parsed, ServingClient client, Output output, string text, CancellationToken cancelled)
    {
        var input = new TextInput { Text = text };
        if (parsed.GetValue(Pair) is { } pair)
            input.Pair = pair;
        var response = await client.Classifier.ClassifyAsync(
            new()
            {
                Inputs = { input },
                Tasks = { parsed.GetValue(Tasks)!.Select(References.Parse) },
                Truncation = TruncationOf(parsed)
            },
            cancellationToken: cancelled);
        var result = response.Results[0];
        output.Write(response, o => o.Table(
            ["TASK", "LABEL", "PROBABILITY", "VERSION"],
            result.Classifications.Select(classification => (string[])
            [
                classification.Task,
                classification.Label,
                Probability(classification).ToString("F4"),
                classification.Version[..12]
            ])));
    }

    private static async Task ClassifyFileAsync(
        ParseResult parsed, ServingClient client, Output output, FileInfo file, CancellationToken cancelled)
    {
        if (parsed.GetValue(Tasks)! is not [var name])
            throw new CommandException("A file is classified under one task; give --task once.");
        var columns = new InputColumns(
            parsed.GetValue(TextColumn), parsed.GetValue(PairColumn), parsed.GetValue(LabelColumn),
            !parsed.GetValue(NoHeader));
        var rows = InputFile.Read(file.FullName, columns);
        var predictions = new Classification?[rows.Count];
        var failures = new List<(int Row, string Message)>();
        await Progress.RunAsync(file.Name, rows.Count, async step =>
        {
            var requests = RequestsAsync(rows, References.Parse(name), TruncationOf(parsed), cancelled);
            await foreach (var response in client.ClassifyStreamAsync(requests, cancelled))
            {
                if (response.Error is { } error)
                    failures.Add(((int)response.Id, error.Message));
                else
                    predictions[response.Id] = response.Result.Classifications[0];
                step(1);
            }
        });

        if (parsed.GetValue(OutputFile) is { } target)
        {
            await File.WriteAllLinesAsync(
                target.FullName,
                predictions.Select((prediction, i) => prediction is null
                    ? $"{i + 1}\t\t"
                    : $"{i + 1}\t{prediction.Label}\t{Probability(prediction):F6}")
                        .Prepend("number\tlabel\tprobability"),
                cancelled);
        }

        Report.Write(output, name, rows, predictions, parsed.GetValue(Labels));
        if (failures.Count > 0)
        {
            throw new CommandException(
                $"{failures.Count} of {rows.Count} texts failed; number {failures[0].Row + 1}: {failures[0].Message}");
        }
    }

    private static Truncation TruncationOf(ParseResult parsed) =>
        parsed.GetValue(Truncate) ? Truncation.LongestFirst : Truncation.Error;

    private static float Probability(Classification classification) =>
        classification.Scores.Single(score => score.Label == classification.Label).Probability;

    private static async IAsyncEnumerable<ClassifyStreamRequest> RequestsAsync(
        IReadOnlyList<InputRow> rows,
        TaskReference task,
        Truncation truncation,
        [EnumeratorCancellation] CancellationToken cancelled)
    {
        for (var i = 0; i < rows.Count; i++)
        {
            cancelled.ThrowIfCancellationRequested();
            var input = new TextInput { Text = rows[i].Text };
            if (rows[i].Pair is { } pair)
                input.Pair = pair;
            yield return new() { Id = i, Input = input, Tasks = { task }, Truncation = truncation };
        }

        await Task.CompletedTask;
    }
}
