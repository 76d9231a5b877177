using System.Runtime.CompilerServices;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>Versions that change while clients saturate the server.</summary>
public class HotSwapTests
{
    private const string Alias = "production";
    private const int Streams = 8;
    private static readonly string[] Texts = ["a", "b c", "d e f g", "h i j k l m n o p", "q r s t u v w x y z"];

    private protected virtual ServerBuild Build => ServerBuild.Default;

    private protected virtual int Changes => 1000;

    [Fact]
    public async Task ManyChangesUnderLoad_LoseNothing_AndEveryAnswerIsItsVersions()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data, build: Build);
        var client = server.Client;
        var versions = new List<string>();
        for (var seed = 1; seed <= 4; seed++)
        {
            var folder = data.WriteVersion(seed);
            versions.Add((await client.ImportTaskAsync("t", folder)).Version);
            await client.Tasks.LoadTaskAsync(new() { Task = "t", Version = versions[^1] });
        }

        var expected = new Dictionary<(string Version, int Text), Classification>();
        foreach (var version in versions)
        {
            for (var text = 0; text < Texts.Length; text++)
                expected.Add((version, text), await AloneAsync(client, version, Texts[text]));
        }

        await client.Tasks.SetAliasAsync(new() { Task = "t", Version = versions[0] });
        using var stop = new CancellationTokenSource();
        var streams = Enumerable.Range(0, Streams)
            .Select(_ => Task.Run(() => StreamAsync(client, expected, Build.LogitTolerance, stop.Token))).ToList();
        var (moves, loads, unloads) = await ChangeAsync(client, versions, Changes);
        await stop.CancelAsync();
        var answers = await Task.WhenAll(streams);

        Assert.Equal(Changes, moves + loads + unloads);
        Assert.All(
            new[] { moves, loads, unloads },
            count => Assert.True(count > Changes / 8, $"{moves} moves, {loads} loads, {unloads} unloads"));
        Assert.All(answers, seen => Assert.Equal(versions.Order(), seen.Order())); // Every stream saw every version.
    }

    [Fact]
    public async Task Canary_GetsItsShare_ShadowNeverAnswers()
    {
        using var data = new DataFolder();
        await using var server = await ServerProcess.StartAsync(data, build: Build);
        var client = server.Client;
        var versions = new List<string>();
        for (var seed = 1; seed <= 3; seed++)
            versions.Add((await client.ImportTaskAsync("t", data.WriteVersion(seed))).Version);
        await client.Tasks.SetAliasAsync(new() { Task = "t", Version = versions[0] });
        await client.Tasks.SetAliasAsync(new() { Task = "t", Canary = new() { Version = versions[1], Share = 0.25 } });
        await client.Tasks.SetAliasAsync(new() { Task = "t", ShadowVersion = versions[2] });

        var answered = new Dictionary<string, int>();
        for (var i = 0; i < 200; i++)
        {
            var version = (await client.ClassifyAsync(["a"], ["t"])).Results[0].Classifications[0].Version;
            answered[version] = answered.GetValueOrDefault(version) + 1;
        }

        Assert.InRange(answered[versions[1]], 48, 52);
        Assert.Equal(200, answered[versions[0]] + answered[versions[1]]);
        var sticky = new HashSet<string>();
        for (var i = 0; i < 20; i++)
            sticky.Add((await ClassifyAsync(client, new() { Task = "t" }, key: "one user")).Version);
        Assert.Single(sticky);

        // Promoting ends the canary; rolling back goes to the version before.
        var task = await client.Tasks.SetAliasAsync(new() { Task = "t", Version = versions[1] });
        Assert.Null(task.Aliases[0].Canary);
        Assert.Equal([versions[0]], task.Aliases[0].PreviousVersions);
        task = await client.Tasks.SetAliasAsync(new() { Task = "t", Rollback = true });
        Assert.Equal(versions[0], task.Aliases[0].Version);
    }

    private static async Task<(int Moves, int Loads, int Unloads)> ChangeAsync(
        Client.ServingClient client, List<string> versions, int changes)
    {
        var (moves, loads, unloads) = (0, 0, 0);
        var random = new Random(7);
        var current = versions[0];
        while (moves + loads + unloads < changes)
        {
            var other = versions.Where(version => version != current).ElementAt(random.Next(versions.Count - 1));
            var before = await client.Tasks.GetTaskAsync(new() { Task = "t" });
            if (before.Versions.Single(version => version.Version == other).Loaded)
            {
                if (random.Next(3) == 0)
                {
                    // The version that is served now becomes one that nobody asks for, and goes at once.
                    await client.Tasks.SetAliasAsync(new() { Task = "t", Version = other });
                    (var left, current) = (current, other);
                    moves++;
                    other = left;
                    if (moves + loads + unloads == changes)
                        break;
                }

                Assert.True((await client.Tasks.UnloadTaskAsync(new() { Task = "t", Version = other })).FreedBytes > 0);
                unloads++;
            }
            else if (random.Next(2) == 0)
            {
                await client.Tasks.SetAliasAsync(new() { Task = "t", Version = other }); // Loads it on the way.
                current = other;
                moves++;
            }
            else
            {
                await client.Tasks.LoadTaskAsync(new() { Task = "t", Version = other });
                loads++;
            }
        }

        return (moves, loads, unloads);
    }

    /// <returns>The versions that answered.</returns>
    private static async Task<HashSet<string>> StreamAsync(
        Client.ServingClient client,
        Dictionary<(string Version, int Text), Classification> expected,
        float tolerance,
        CancellationToken stop)
    {
        var seen = new HashSet<string>();
        var sent = 0L;
        var received = 0L;
        await foreach (var response in client.ClassifyStreamAsync(RequestsAsync()))
        {
            received++;
            Assert.True(response.Error is null, response.Error?.Message);
            var answer = response.Result.Classifications.Single();
            Answers.AssertSame(
                expected[(answer.Version, (int)(response.Id % Texts.Length))], answer, tolerance);
            seen.Add(answer.Version);
        }

        Assert.Equal(sent, received);
        return seen;

        async IAsyncEnumerable<ClassifyStreamRequest> RequestsAsync(
            [EnumeratorCancellation] CancellationToken cancelled = default)
        {
            while (!stop.IsCancellationRequested)
            {
                await Task.Yield();
                var id = sent++;
                yield return new()
                {
                    Id = id,
                    Input = new() { Text = Texts[id % Texts.Length] },
                    Tasks = { new TaskReference { Task = "t", Alias = Alias } }
                };
            }
        }
    }

    private static Task<Classification> AloneAsync(Client.ServingClient client, string version, string text) =>
        ClassifyAsync(client, new() { Task = "t", Version = version }, text);

    private static async Task<Classification> ClassifyAsync(
        Client.ServingClient client, TaskReference task, string text = "a", string key = "") =>
        (await client.Classifier.ClassifyAsync(new()
        {
            Inputs = { new TextInput { Text = text } },
            Tasks = { task },
            RoutingKey = key
        })).Results[0].Classifications[0];
}
