using System.CommandLine;
using Grpc.Core;
using Serving.Client;
using Serving.V1;

namespace Serving.Cli;

/// <summary>serving generate: text that a model writes.</summary>
internal static class GenerateCommand
{
    private const int MostCalls = 8;

    private static readonly Argument<string?> Text = new("text")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "What is continued; an empty one begins a text."
    };

    private static readonly Option<string?> Prompt = new("--prompt") { Description = "The same." };
    private static readonly Option<string> Model = new("--model")
    {
        Description = "The model; not needed where one alone is loaded that writes text.",
        DefaultValueFactory = _ => ""
    };

    private static readonly Option<FileInfo?> Input =
        new("--file") { Description = "A .tsv, .csv or .jsonl file with one prompt a line." };
    private static readonly Option<string?> TextColumn =
        new("--text-column") { Description = "Name, or number from 1; 'text' or 'sentence' by default." };
    private static readonly Option<bool> NoHeader =
        new("--no-header") { Description = "The first line is a prompt already; columns go by number." };
    private static readonly Option<FileInfo?> OutputFile =
        new("--output") { Description = "Gets the answers: a .jsonl file with a line for each." };
    private static readonly Option<bool> Truncate =
        new("--truncate") { Description = "Drop the beginning of prompts that are too long." };

    public static Command Create()
    {
        var sampling = new SamplingFlags();
        var command = new Command("generate", "Writes on from a prompt.")
        {
            Text, Prompt, Model, Input, TextColumn, NoHeader, OutputFile, Truncate
        };
        sampling.AddTo(command);
        command.Do((parsed, client, output, cancelled) =>
        {
            var prompts = Prompts(parsed);
            var request = new GenerateRequest
            {
                Model = parsed.GetValue(Model),
                Sampling = sampling.Read(parsed),
                Truncation = parsed.GetValue(Truncate) ? PromptTruncation.Left : PromptTruncation.Error
            };
            if (parsed.GetValue(OutputFile) is { } target)
                return WriteAsync(target, prompts, request, parsed, client, output, cancelled);
            return prompts.Count == 1 && !output.IsJson
                ? ShowAsync(prompts[0], request, client, output, cancelled)
                : RunAllAsync(prompts, request, parsed, client, output.Line, cancelled);
        });
        return command;
    }

    private static IReadOnlyList<string> Prompts(ParseResult parsed) =>
        (parsed.GetValue(Text), parsed.GetValue(Prompt), parsed.GetValue(Input)) switch
        {
            ({ } text, null, null) => [text],
            (null, { } prompt, null) => [prompt],
            (null, null, { } file) =>
            [
                .. InputFile.Read(file.FullName, new(
                    parsed.GetValue(TextColumn), Pair: null, Label: null, !parsed.GetValue(NoHeader)))
                    .Select(row => row.Text)
            ],
            _ => throw new CommandException("Give one prompt, or a file with --file.")
        };

    /// <summary>Shows a text as it comes; of several answers each once it is whole.</summary>
    private static async Task ShowAsync(
        string prompt, GenerateRequest request, ServingClient client, Output output, CancellationToken cancelled)
    {
        request.Prompt = prompt;
        var answers = new GeneratedAnswers(prompt);
        var isOne = !request.Sampling.HasNumReturnSequences || request.Sampling.NumReturnSequences == 1;
        await foreach (var response in client.GenerateAsync(request, cancelled))
        {
            answers.Add(response);
            if (isOne && response.Text is { } part)
                output.Text(part.Text);
        }

        if (isOne)
        {
            output.Line("");
            return;
        }

        foreach (var (i, text) in answers.Texts.Index())
            output.Line($"[{i + 1}]{text}");
    }

    /// <summary>Writes a file, which has its name once it is whole.</summary>
    private static async Task WriteAsync(
        FileInfo target, IReadOnlyList<string> prompts, GenerateRequest request, ParseResult parsed,
        ServingClient client, Output output, CancellationToken cancelled)
    {
        var part = target.FullName + ".part";
        var answers = 0;
        try
        {
            await using (var writer = new StreamWriter(part))
            {
                await RunAllAsync(prompts, request, parsed, client, WriteLine, cancelled);

                void WriteLine(string line)
                {
                    writer.WriteLine(line);
                    answers++;
                }
            }

            File.Move(part, target.FullName, overwrite: true);
        }
        catch
        {
            File.Delete(part);
            throw;
        }

        if (!output.IsJson)
            output.Line($"{answers} answers in {target}");
    }

    /// <summary>Writes the answers in the order of their prompts, while the next ones come.</summary>
    private static Task RunAllAsync(
        IReadOnlyList<string> prompts, GenerateRequest request, ParseResult parsed, ServingClient client,
        Action<string> write, CancellationToken cancelled) =>
        Progress.RunAsync(parsed.GetValue(Input)?.Name ?? "prompts", prompts.Count, async step =>
        {
            using var ends = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
            var running = new Queue<Task<GeneratedAnswers>>();
            try
            {
                foreach (var (i, prompt) in prompts.Index())
                {
                    if (running.Count == MostCalls)
                        await FinishAsync();
                    running.Enqueue(RunAsync(prompt, i + 1));
                }

                while (running.Count > 0)
                    await FinishAsync();
            }
            finally
            {
                await ends.CancelAsync(); // The first that fails ends the others.
            }

            async Task FinishAsync()
            {
                foreach (var line in (await running.Dequeue()).Lines())
                    write(line);
                step(1);
            }

            async Task<GeneratedAnswers> RunAsync(string prompt, int number)
            {
                var own = request.Clone();
                own.Prompt = prompt;
                var answers = new GeneratedAnswers(prompt);
                try
                {
                    await foreach (var response in client.GenerateAsync(own, ends.Token))
                        answers.Add(response);
                    return answers;
                }
                catch (RpcException exception) when (prompts.Count > 1)
                {
                    throw new RpcException(
                        new(exception.StatusCode, $"Prompt number {number}: {exception.Status.Detail}"));
                }
            }
        });
}
