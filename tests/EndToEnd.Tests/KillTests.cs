using System.Diagnostics;
using Grpc.Core;
using Serving.Testing;
using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>A server that is killed while it changes what it stores.</summary>
public sealed class KillTests
{
    private const int Kills = 200;
    private const int LongestMicroseconds = 30_000;

    [Fact]
    public async Task KilledAtAnyMoment_TheNextStartServesTheStateBeforeOrAfter()
    {
        using var data = new DataFolder();
        var folders = Enumerable.Range(1, 6).Select(seed => data.WriteVersion(seed)).ToDictionary(
            folder => Path.GetFileName(folder));
        var random = new Random(11);
        var state = new State([], "");
        var interrupted = new Dictionary<string, int>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await using var server = await ServerProcess.StartAsync(data);
            if (kill > 0)
                await VerifyAsync(server.Client, state);
            var wait = random.Next(LongestMicroseconds);
            var firstChanges = random.Next(4); // Acknowledged before the clock starts: the first calls are slow.
            var killed = Task.CompletedTask;
            var (before, after, what) = await ChangeUntilItDiesAsync(server.Client, folders, state, random, change =>
            {
                if (change == firstChanges)
                    killed = Task.Run(() => SpinAndKillAsync(server, wait));
            });
            await killed;
            interrupted[what] = interrupted.GetValueOrDefault(what) + 1;
            state = await ReadAsync(data, [before, after]);
        }

        // Every kind of change was hit often enough to say something.
        Assert.All(new[] { "import", "alias", "delete" }, what => Assert.True(
            interrupted.GetValueOrDefault(what) >= 10, string.Join(", ", interrupted)));
    }

    private static async Task SpinAndKillAsync(ServerProcess server, int microseconds)
    {
        var begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin).TotalMicroseconds < microseconds)
            await Task.Yield();
        await server.KillAsync();
    }

    /// <summary>Makes random changes until a call fails.</summary>
    /// <returns>What was acknowledged, what the last call would have made of it, and what that call was.</returns>
    private static async Task<(State Before, State After, string What)> ChangeUntilItDiesAsync(
        Client.ServingClient client,
        Dictionary<string, string> folders,
        State state,
        Random random,
        Action<int> beforeChange)
    {
        for (var change = 0; ; change++)
        {
            beforeChange(change);
            var (what, after, call) = Next(client, folders, state, random);
            try
            {
                await call();
            }
            catch (RpcException exception) when (exception.StatusCode is StatusCode.Unavailable or StatusCode.Internal
                or StatusCode.Unknown or StatusCode.Cancelled)
            {
                return (state, after, what);
            }

            state = after;
        }
    }

    private static (string What, State After, Func<Task> Call) Next(
        Client.ServingClient client, Dictionary<string, string> folders, State state, Random random)
    {
        var missing = folders.Keys.Except(state.Versions).ToList();
        var idle = state.Versions.Where(version => version != state.Alias).ToList();
        switch (random.Next(3))
        {
            case 0 when idle.Count > 0:
                var promoted = idle[random.Next(idle.Count)];
                return ("alias", state with { Alias = promoted }, () =>
                    client.Tasks.SetAliasAsync(new() { Task = "t", Version = promoted }).ResponseAsync);
            case 1 when idle.Count > 0:
                var deleted = idle[random.Next(idle.Count)];
                return (
                    "delete", state with { Versions = [.. state.Versions.Where(version => version != deleted)] }, () =>
                    client.Tasks.DeleteTaskVersionAsync(new() { Task = "t", Version = deleted }).ResponseAsync);
            default:
                var imported = missing.Count > 0 ? missing[random.Next(missing.Count)] : state.Versions[0];
                return ("import", state with { Versions = [.. state.Versions.Append(imported).Distinct()] }, () =>
                    client.ImportTaskAsync(new ImportHeader { Task = "t", NoAlias = true }, folders[imported]));
        }
    }

    /// <summary>Starts the server once more and finds out which of the possible states it serves.</summary>
    private static async Task<State> ReadAsync(DataFolder data, State[] possible)
    {
        var folder = Path.Combine(data.Path, "tasks", "t");
        var versions = Directory.Exists(folder)
            ? Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)).Order().ToList()
            : [];
        var found = possible.FirstOrDefault(state => state.Versions.Order().SequenceEqual(versions));
        Assert.True(found is not null, $"On disk: {string.Join(' ', versions)}; possible: "
            + $"{string.Join(" or ", possible.AsEnumerable())}");

        // The alias is read through the server, at the next start; of two states that differ in it, either may be true.
        var aliases = Path.Combine(folder, "aliases.json");
        var text = File.Exists(aliases) ? await File.ReadAllTextAsync(aliases) : "";
        return possible.First(state => state.Versions.Order().SequenceEqual(versions)
            && (state.Alias.Length == 0
                ? text.Length == 0
                : text.Contains($"\"version\": \"{state.Alias}\"", StringComparison.Ordinal)));
    }

    private static async Task VerifyAsync(Client.ServingClient client, State state)
    {
        var tasks = new List<V1.Task>();
        await foreach (var task in client.ListTasksAsync())
            tasks.Add(task);
        Assert.Equal(
            state.Versions.Order(), tasks.SelectMany(task => task.Versions).Select(version => version.Version).Order());
        foreach (var version in state.Versions) // Every one is whole: loading checks all digests.
            await client.Tasks.LoadTaskAsync(new() { Task = "t", Version = version });
        if (state.Alias.Length == 0)
            return;
        Assert.Equal(state.Alias, tasks.Single().Aliases.Single().Version);
        var answer = await client.ClassifyAsync(["a b"], ["t"]);
        Assert.Equal(state.Alias, answer.Results[0].Classifications[0].Version);
    }

    /// <param name="Alias">What "production" points at; empty if it does not exist.</param>
    private sealed record State(IReadOnlyList<string> Versions, string Alias)
    {
        public override string ToString() => $"[{string.Join(' ', Versions)}] -> {Alias}";
    }
}
