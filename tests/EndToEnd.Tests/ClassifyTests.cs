using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>Texts classified by a real server through our client.</summary>
public sealed class ClassifyTests
{
    [Fact]
    public async Task ImportedTask_IsServed_StreamedAndExported()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data);
        var folder = data.WriteVersion(seed: 1, labels: 3);
        var version = Path.GetFileName(folder);

        var imported = await server.Client.ImportTaskAsync("tone", folder, version, alias: "production");
        Assert.Equal((version, true), (imported.Version, imported.Created));
        Assert.False((await server.Client.ImportTaskAsync("tone", folder, version)).Created);

        var answer = await server.Client.ClassifyAsync(["a b c", "d"], ["tone"]);
        Assert.Equal(2, answer.Results.Count);
        Assert.All(answer.Results, result => Assert.Equal(version, result.Classifications.Single().Version));
        Assert.Equal(5, answer.Results[0].Usage.Tokens);
        Assert.Equal(["label-0", "label-1", "label-2"], answer.Results[0].Classifications[0].Scores.Select(
            score => score.Label));
        Assert.Equal(1, answer.Results[0].Classifications[0].Scores.Sum(score => score.Probability), 1e-5f);

        var streamed = new Dictionary<long, ClassifyStreamResponse>();
        await foreach (var response in server.Client.ClassifyStreamAsync(Requests()))
            streamed.Add(response.Id, response);
        Assert.Equal(301, streamed.Count);
        Assert.Equal((int)StatusCode.InvalidArgument, streamed[300].Error.Code);
        Assert.All(streamed.Values.Where(response => response.Id < 300), response => Assert.Equal(
            answer.Results[response.Id % 2 == 0 ? 0 : 1].Classifications[0], response.Result.Classifications[0]));

        var copy = data.At("copy");
        Assert.Equal(version, await server.Client.ExportTaskAsync(new() { Task = "tone" }, copy));
        Assert.All(
            Directory.EnumerateFiles(folder),
            file => Assert.Equal(
                File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(copy, Path.GetFileName(file)))));
    }

    private static async IAsyncEnumerable<ClassifyStreamRequest> Requests()
    {
        for (var i = 0; i <= 300; i++)
        {
            await Task.Yield();
            yield return new()
            {
                Id = i,
                Input = new() { Text = i == 300 ? "" : i % 2 == 0 ? "a b c" : "d" },
                Tasks = { new TaskReference { Task = "tone" } }
            };
        }
    }
}
