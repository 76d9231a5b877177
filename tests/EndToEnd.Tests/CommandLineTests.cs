using System.Text.Json;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>The command line as a process, against a real server.</summary>
public sealed class CommandLineTests
{
    [Fact]
    public async Task Verbs_DoWhatTheySay()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        var first = data.WriteVersion(seed: 1);
        var second = data.WriteVersion(seed: 2);
        var (one, two) = (Path.GetFileName(first), Path.GetFileName(second));

        Assert.Equal(
            $"tone {one}", (await RunAsync(server, "tasks", "import", "tone", first, "--alias", "production")).Trim());
        await RunAsync(server, "tasks", "import", "tone", second);
        Assert.Contains(
            "TASK\tVERSIONS\tLOADED\tMEMORY\tALIASES\ntone\t2\t1\t",
            await RunAsync(server, "tasks", "list"),
            StringComparison.Ordinal);
        Assert.Contains(
            $"production\t{two}\t",
            await RunAsync(server, "tasks", "promote", "tone", two[..8]),
            StringComparison.Ordinal);
        Assert.Contains(
            $"production\t{one}\t", await RunAsync(server, "tasks", "rollback", "tone"), StringComparison.Ordinal);
        Assert.Contains(
            $"{two[..12]} gets 10",
            await RunAsync(server, "tasks", "promote", "tone", two, "--canary", "0.1"),
            StringComparison.Ordinal);
        Assert.Contains(
            "TASK\tTASK\tDISSIMILARITY\ntone\ttone:",
            await RunAsync(server, "tasks", "compare", "tone", $"tone:{two}"),
            StringComparison.Ordinal);
        var shown = JsonDocument.Parse(await RunAsync(server, "tasks", "show", "tone", "--json")).RootElement;
        Assert.Equal(0.1, shown.GetProperty("aliases")[0].GetProperty("canary").GetProperty("share").GetDouble());
        await RunAsync(server, "tasks", "promote", "tone", one);
        await RunAsync(server, "tasks", "delete", "tone", two);

        var answer = JsonDocument.Parse(
            await RunAsync(server, "classify", "a b", "--task", "tone", "--json")).RootElement;
        var classified = answer.GetProperty("results")[0].GetProperty("classifications")[0];
        var label = classified.GetProperty("label").GetString()!;
        var file = data.At("texts.tsv");
        await File.WriteAllTextAsync(file, $"text\tlabel\na b\t{label}\nc d\tlabel-0\na b\t{label}\n");
        var metrics = JsonDocument.Parse(await RunAsync(
            server, "classify", "--input", file, "--task", "tone", "--output", data.At("out.tsv"), "--json"))
            .RootElement;
        Assert.Equal(3, metrics.GetProperty("texts").GetInt32());
        Assert.InRange(metrics.GetProperty("accuracy").GetDouble(), 2.0 / 3.0, 1.0);
        Assert.Equal(4, (await File.ReadAllLinesAsync(data.At("out.tsv"))).Length);

        await RunAsync(server, "datasets", "upload", "texts", file, "--label-column", "label");
        Assert.StartsWith(
            "DATASET\tROWS\tLABELS\tPAIRS\tSIZE\tDIGEST\ntexts\t3\t",
            await RunAsync(server, "datasets", "list"),
            StringComparison.Ordinal);
        Assert.Contains(
            $"{label}\ta b\t\n", await RunAsync(server, "datasets", "show", "texts"), StringComparison.Ordinal);
        Assert.EndsWith("freed\n", await RunAsync(server, "datasets", "delete", "texts"), StringComparison.Ordinal);

        Assert.StartsWith("MODEL\tLOADED\tSHAPE", await RunAsync(server, "models", "list"), StringComparison.Ordinal);
        await RunAsync(server, "models", "unload", DataFolder.Model, "--force");
        Assert.Contains(
            "loaded\tyes", await RunAsync(server, "models", "load", DataFolder.Model), StringComparison.Ordinal);

        var (exit, _, errors) = await CommandLine.RunAsync(server.Address, "classify", "a", "--task", "tune");
        Assert.Equal((1, "NOT_FOUND: There is no task 'tune'. The nearest are 'tone'."), (exit, errors.Trim()));
        (exit, _, errors) = await CommandLine.RunAsync("http://127.0.0.1:1", "models", "list");
        Assert.Equal(1, exit);
        Assert.StartsWith("UNAVAILABLE: ", errors, StringComparison.Ordinal);
    }

    /// <summary>From files to an answer: a backbone, a task on it, promoted, asked.</summary>
    [Fact]
    public async Task Train_FromFilesToAnAnswer()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        string[] words = ["good", "bad", "film", "cast", "plot", "scene", "music", "story"];
        string Text(int i) =>
            string.Join(
                ' ', Enumerable.Range(0, 12).Select(j => j == 5 ? words[i % 2] : words[2 + ((i * (j + 1)) % 6)]))
                + $" {i}";
        var file = data.At("films.tsv");
        await File.WriteAllLinesAsync(
            file, Enumerable.Range(0, 120).Select(i => $"{Text(i)}\t{words[i % 2]}").Prepend("text\tlabel"));
        await RunAsync(server, "datasets", "upload", "films", file, "--label-column", "label");

        var pretrained = await RunAsync(
            server, "train", "pretrain", "--dataset", "films", "--publish-model", "own", "--hidden", "32", "--layers",
            "2", "--heads", "2",
            "--vocabulary", "150", "--length", "16", "--held-out", "10", "--steps", "20", "--batch", "16", "--watch");
        Assert.Contains("state\tsucceeded\n", pretrained, StringComparison.Ordinal);
        Assert.Contains("evaluation at step 20: loss ", pretrained, StringComparison.Ordinal);
        var job = (await RunAsync(
            server, "train", "mask", "--model", "own", "--dataset", "films", "--max-tokens", "32", "--epochs", "2",
            "--task", "tone")).Trim();
        await RunAsync(server, "jobs", "watch", job);
        var shown = JsonDocument.Parse(await RunAsync(server, "jobs", "show", job, "--json")).RootElement;
        Assert.Equal("JOB_STATE_SUCCEEDED", shown.GetProperty("state").GetString());
        var answer = JsonDocument.Parse(
            await RunAsync(server, "classify", Text(3), "--task", "tone", "--json")).RootElement
            .GetProperty("results")[0].GetProperty("classifications")[0];
        Assert.Equal(shown.GetProperty("task_version").GetString(), answer.GetProperty("version").GetString());
        Assert.Contains(
            $"{job}\tsucceeded\tmask own on films\t", await RunAsync(server, "jobs", "list"), StringComparison.Ordinal);
        var newest = (await RunAsync(server, "jobs", "list", "--limit", "1")).Trim().Split('\n');
        Assert.Equal([job, "older ones are left out, see --limit"], newest.Skip(1).Select(line => line.Split('\t')[0]));
        Assert.Equal($"{job} deleted", (await RunAsync(server, "jobs", "delete", job)).Trim());

        var (exit, _, errors) = await CommandLine.RunAsync(
            server.Address, "train", "head", "--model", "own", "--dataset", "films", "--epochs", "0");
        Assert.Equal(
            (1, "INVALID_ARGUMENT: spec.classifier.epochs: It is 0; it must be 1 to 1000."), (exit, errors.Trim()));
    }

    private static async Task<string> RunAsync(ServerProcess server, params string[] arguments)
    {
        var (exit, output, errors) = await CommandLine.RunAsync(server.Address, arguments);
        Assert.True(exit == 0, $"{string.Join(' ', arguments)}: {errors}");
        return output;
    }
}
