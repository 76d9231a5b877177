using System.CommandLine;
using Grpc.Core;
using Serving.Client;

namespace Serving.Cli;

/// <summary>All verbs.</summary>
internal static class Commands
{
    public const string ServerVariable = "SERVING_SERVER";

    public static readonly Option<string> Server = new("--server")
    {
        Recursive = true,
        Description = $"Address, several with commas; {ServerVariable} or http://localhost:5050 by default.",
        DefaultValueFactory = _ => Environment.GetEnvironmentVariable(ServerVariable) is { Length: > 0 } address
            ? address
            : "http://localhost:5050"
    };

    public static readonly Option<bool> Json = new("--json") { Recursive = true, Description = "Answers as JSON." };

    public static RootCommand Create()
    {
        var root = new RootCommand("Classifies texts with many tasks on one backbone, and writes text.")
        {
            ClassifyCommand.Create(),
            EmbedCommand.Create(),
            GenerateCommand.Create(),
            TasksCommands.Create(),
            ModelsCommands.Create(),
            DatasetsCommands.Create()
        };
        foreach (var group in RecipeCommands.Create())
            root.Add(group);
        root.Add(JobsCommands.Create());
        root.Add(DoctorCommand.Create());
        root.Add(Server);
        root.Add(Json);
        return root;
    }

    /// <summary>Gives a command its work; what goes wrong is one line on standard error and exit code 1.</summary>
    public static void Do(
        this Command command, Func<ParseResult, ServingClient, Output, CancellationToken, Task> work) =>
        command.SetAction(async (parsed, cancelled) =>
        {
            var output = new Output(parsed.GetValue(Json), Console.Out);
            try
            {
                using var client = new ServingClient(
                    new ServingClientOptions { Addresses = Addresses(parsed.GetValue(Server)!) });
                await work(parsed, client, output, cancelled);
                return 0;
            }
            catch (RpcException exception)
            {
                return await FailAsync($"{StatusName(exception.StatusCode)}: {exception.Status.Detail}");
            }
            catch (Exception exception)
                when (exception is CommandException or ArgumentException or IOException or UnauthorizedAccessException)
            {
                return await FailAsync(exception.Message);
            }
            catch (OperationCanceledException)
            {
                return await FailAsync("Cancelled.");
            }
        });

    private static Uri[] Addresses(string text)
    {
        try
        {
            return [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                .Select(address => new Uri(address))];
        }
        catch (UriFormatException exception)
        {
            throw new CommandException(
                $"--server is '{text}': {exception.Message} http://HOST:PORT is needed.", exception);
        }
    }

    private static async Task<int> FailAsync(string message)
    {
        await Console.Error.WriteLineAsync(message);
        return 1;
    }

    /// <summary>As gRPC writes it: INVALID_ARGUMENT.</summary>
    private static string StatusName(StatusCode status) => string.Concat(
        status.ToString().Select((c, i) => i > 0 && char.IsUpper(c) ? "_" + c : char.ToUpperInvariant(c).ToString()));
}

/// <summary>What was asked for can't be done; the message says why and what to do.</summary>
internal sealed class CommandException(string message, Exception? innerException = null)
    : Exception(message, innerException);
