using System.Diagnostics;
using System.Text.Json;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>Clients of other gRPC stacks, written as their users write them, against a real server.</summary>
public sealed class OtherClientsTests
{
    private static readonly string Scripts = Path.Combine(ToolFactAttribute.Repository, "tests", "interop");

    [ToolFact("/usr/lib/python3/dist-packages/grpc", "/usr/bin/protoc")]
    public Task Grpcio() => ImportsAndClassifiesAsync("/usr/bin/python3", "python/classify.py");

    [ToolFact("tests/interop/node/node_modules/@grpc/grpc-js")]
    public Task GrpcJs() => ImportsAndClassifiesAsync("node", "node/classify.js");

    private static async Task ImportsAndClassifiesAsync(string program, string script)
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        var folder = data.WriteVersion(seed: 1, labels: 3);
        var start = new ProcessStartInfo(program) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])[Path.Combine(Scripts, script), new Uri(server.Address).Authority, "tone", folder])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync().Within();
        await process.WaitForExitAsync().Within();
        Assert.True(process.ExitCode == 0, await errors);

        var seen = JsonDocument.Parse(output).RootElement;
        var expected = await server.Client.ClassifyAsync(["a b c", "d"], ["tone"]);
        var (odd, even) = (expected.Results[0].Classifications[0], expected.Results[1].Classifications[0]);
        Assert.Equal(Path.GetFileName(folder), seen.GetProperty("version").GetString());
        Assert.Equal(odd.Label, seen.GetProperty("label").GetString());
        Assert.Equal(
            odd.Scores.Select(score => (double)score.Logit), seen.GetProperty("logits").EnumerateArray().Select(logit => logit.GetDouble()));
        var streamed = seen.GetProperty("streamed");
        Assert.All(Enumerable.Range(0, 50), id => Assert.Equal(
            (id % 2 == 1 ? odd : even).Label, streamed.GetProperty(id.ToString()).GetString()));
        Assert.Equal("NOT_FOUND", seen.GetProperty("wrong_name").GetString());
    }
}

/// <summary>A test that needs programs or packages of other stacks; it is skipped by name where one is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolFactAttribute : FactAttribute
{
    public ToolFactAttribute(params string[] paths)
    {
        if (Array.Find(paths, path => !Path.Exists(Path.Combine(Repository, path))) is { } missing)
            Skip = $"{missing} is not here";
    }

    public static string Repository { get; } = FindRepository();

    private static string FindRepository()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Serving.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
