using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Serving.Cli;
using Serving.EndToEnd.Tests.Http;
using Serving.Server.Configuration;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>What README.md and docs/ say to type, typed.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string[] DemoTasks = ["question", "review", "sentiment"];

    private static string Readme => Path.Combine(ToolFactAttribute.Repository, "README.md");

    [ToolFact(Curl.Path, "/bin/sh")]
    public async Task Start_PrintsWhatTheReadmeShows()
    {
        using var data = new DataFolder(isEmpty: true);
        await using var server = await ServerProcess.StartAsync(data);
        var (classified, posted) = (0, 0);
        foreach (var (command, output) in Examples(await File.ReadAllLinesAsync(Readme)))
        {
            if (command.StartsWith("curl ", StringComparison.Ordinal))
            {
                AssertLike(
                    string.Concat(output),
                    await ShellAsync(command.Replace("curl localhost:5051", $"curl -sS {server.HttpAddress}")));
                posted++;
            }
            else if (
                Words(command) is ["serving", "classify", .. var arguments] && Tasks(arguments).All(DemoTasks.Contains))
            {
                var (exit, answer, errors) = await CommandLine.RunAsync(server.Address, ["classify", .. arguments]);
                Assert.True(exit == 0, errors);
                AssertLike(string.Join('\n', output), answer);
                classified++;
            }
        }

        Assert.Equal((1, 1), (classified, posted));
    }

    [Fact]
    public void Commands_Parse()
    {
        var files = Directory.GetFiles(
            Path.Combine(ToolFactAttribute.Repository, "docs"), "*.md", SearchOption.AllDirectories)
            .Append(Path.Combine(ToolFactAttribute.Repository, "models", "README.md"))
            .Append(Readme);
        var root = Commands.Create();
        var commands = files
            .SelectMany(
                file => CommandsOf(File.ReadAllText(file)).Select(command => (File: Path.GetFileName(file), command)))
            .ToList();
        Assert.True(commands.Count > 15, $"{commands.Count} commands were found.");
        foreach (var (file, command) in commands)
        {
            var parsed = root.Parse(Words(command)[1..]);
            Assert.True(parsed.Errors.Count == 0, $"{file}: {command}: {string.Join(' ', parsed.Errors)}");
        }
    }

    [Fact]
    public async Task Settings_AreThoseOfTheServer()
    {
        var table = (await File.ReadAllLinesAsync(Path.Combine(ToolFactAttribute.Repository, "docs", "settings.md")))
            .Select(line => Setting().Match(line))
            .Where(match => match.Success)
            .Select(match => (match.Groups[1].Value, match.Groups[2].Value));
        var defaults = new ServerOptions();
        var properties = typeof(ServerOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(property => (property.Name, Default(property.Name, property.GetValue(defaults))));
        Assert.Equal(properties.Order(), table.Order());
    }

    private static string Default(string name, object? value) => (name, value) switch
    {
        (nameof(ServerOptions.HttpPort), null) => "5051",
        (nameof(ServerOptions.Models), null) => "all",
        (nameof(ServerOptions.TrainingRank), null) => "Idle",
        (_, null or string[] { Length: 0 } or Dictionary<string, string> { Count: 0 }) => "none",
        (_, bool flag) => flag ? "true" : "false",
        (_, TimeSpan { Ticks: 0 }) => "0",
        _ => string.Create(CultureInfo.InvariantCulture, $"{value}")
    };

    /// <summary>Lines of code that begin with "$ ", each with the lines up to the next or its block's end.</summary>
    private static IEnumerable<(string Command, List<string> Output)> Examples(IEnumerable<string> lines)
    {
        const string Prompt = "    $ ";
        (string Command, List<string> Output)? example = null;
        foreach (var line in lines)
        {
            var isCode = line.StartsWith("    ", StringComparison.Ordinal);
            if (isCode && line.StartsWith(Prompt, StringComparison.Ordinal))
            {
                if (example is not null)
                    yield return example.Value;
                example = (line[Prompt.Length..], []);
            }
            else if (isCode)
            {
                example?.Output.Add(line.Trim());
            }
            else if (line.Length > 0 && example is not null)
            {
                yield return example.Value;
                example = null;
            }
        }
    }

    /// <summary>Each line of code that calls serving, continued lines joined, comments left out.</summary>
    private static IEnumerable<string> CommandsOf(string text) =>
        Command().Matches(text.Replace("\\\n", " ")).Select(match => match.Groups["command"].Value);

    private static string[] Tasks(string[] arguments) =>
        [
            .. arguments.SkipWhile(argument => argument != "--task").Skip(1).TakeWhile(
                argument => !argument.StartsWith('-'))
        ];

    /// <summary>As a shell splits it.</summary>
    private static string[] Words(string command) =>
        [.. Word().Matches(command).Select(match => match.Groups[1].Success ? match.Groups[1].Value : match.Value)];

    /// <summary>Equal but for white space; "..." stands for anything.</summary>
    private static void AssertLike(string expected, string actual)
    {
        var pattern = string.Join(
            ".*",
            expected.Split("...").Select(
                part => string.Join(@"\s*", part.Split().Where(word => word.Length > 0).Select(Regex.Escape))));
        Assert.Matches($@"(?s)^\s*{pattern}\s*$", actual);
    }

    private static async Task<string> ShellAsync(string command)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", command])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync().Within();
        await process.WaitForExitAsync().Within();
        Assert.Equal(0, process.ExitCode);
        return output;
    }

    [GeneratedRegex(
        @"^ {4}(\$ )?(?<command>serving .*?)(\s+#.*)?$", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex Command();

    [GeneratedRegex("\"([^\"]*)\"|\\S+")]
    private static partial Regex Word();

    [GeneratedRegex(@"^\| Server:(\w+)(?::NAME)? \| ([^|]*?)(?: \([^|]*\))? \|")]
    private static partial Regex Setting();
}
