using Serving.V1;

namespace Serving.Bench;

/// <summary>How a server is loaded.</summary>
/// <param name="Clients">Streams, or callers of unary calls.</param>
/// <param name="InFlight">Texts of a stream under way at a time.</param>
/// <param name="Rate">Unary calls a second at fixed times; 0 waits for answers.</param>
internal sealed record ServerLoad(int Clients, int InFlight, bool IsUnary, double Rate, TimeSpan Duration);

/// <summary>Texts of the given lengths, each for the next task.</summary>
/// <param name="skew">The share of texts that is for the first task; 0 for equal shares.</param>
internal sealed class ServerRequests(int[] lengths, int tasks, double skew)
{
    private const int SpecialTokens = 2;

    private readonly TextInput[] _texts =
        [.. lengths.Select(
            length => new TextInput { Text = string.Join(' ', Enumerable.Repeat("a", length - SpecialTokens)) })];

    private readonly TaskReference[] _tasks =
        [.. Enumerable.Range(0, tasks).Select(task => new TaskReference { Task = ServerData.TaskName(task) })];

    private long _next;

    public ClassifyStreamRequest Next()
    {
        var id = Interlocked.Increment(ref _next);
        var task = (id + (id / _texts.Length)) % _tasks.Length; // Every task gets every text.
        if (skew > 0)
            task = id * 0.6180339887498949 % 1 < skew ? 0 : 1 + (id % (_tasks.Length - 1));
        return new() { Id = id, Input = _texts[id % _texts.Length], Tasks = { _tasks[task] } };
    }
}
