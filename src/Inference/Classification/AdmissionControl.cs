using System.Runtime.InteropServices;

namespace Serving.Inference.Classification;

/// <summary>Tracks what waits and decides which requests are rejected. Not thread-safe.</summary>
/// <remarks>
/// A request counts until its last unit leaves the queue. A paced request, whose caller limits how many it sends at a
/// time, is never rejected and takes no room from the others.
/// </remarks>
internal sealed class AdmissionControl(EngineOptions options)
{
    private const int MostOfFreeRoom = 4; // One task alone can fill 4/5 of the room, two tasks 4/9 each.
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    // Of requests that can be rejected.
    private readonly Dictionary<string, Load> _byTask = new(StringComparer.Ordinal);
    private Load _room = new(options.MaxQueuedRequests, options.MaxQueuedTokens);
    private double _tokensPerSecond;

    /// <summary>The load of the whole queue.</summary>
    public Load Waiting { get; private set; }

    /// <summary>How long the queue will take at the recent speed.</summary>
    public TimeSpan RetryAfter
    {
        get
        {
            var wait = _tokensPerSecond > 0 ? TimeSpan.FromSeconds(Waiting.Tokens / _tokensPerSecond) : ShortestRetry;
            return TimeSpan.FromTicks(Math.Clamp(wait.Ticks, ShortestRetry.Ticks, LongestRetry.Ticks));
        }
    }

    /// <summary>Whether a request of a task would be rejected, whatever its length.</summary>
    /// <remarks>
    /// A task may fill only so much of the room that a share of it always stays free for others: its load must be below
    /// a multiple of the free room (dynamic thresholds, Choudhury and Hahne 1998). However many requests one task
    /// sends, others find room.
    /// </remarks>
    public bool IsFull(string task)
    {
        var own = _byTask.GetValueOrDefault(task);
        return _room.Requests <= 0
            || _room.Tokens <= 0
            || own.Requests >= MostOfFreeRoom * (long)_room.Requests
            || own.Tokens >= MostOfFreeRoom * (long)_room.Tokens;
    }

    /// <summary>Whether a request may wait.</summary>
    public bool HasRoom(PendingRequest request) =>
        request.IsPaced || (!IsFull(FirstTask(request)) && request.BranchTokens <= _room.Tokens);

    public void Enter(PendingRequest request) => Add(request, 1);

    public void Leave(PendingRequest request) => Add(request, -1);

    /// <summary>Notes how fast a batch ran.</summary>
    public void NoteSpeed(int tokens, TimeSpan computed)
    {
        if (computed <= TimeSpan.Zero)
            return;
        var speed = tokens / computed.TotalSeconds;
        _tokensPerSecond = _tokensPerSecond > 0 ? (0.8 * _tokensPerSecond) + (0.2 * speed) : speed;
    }

    private void Add(PendingRequest request, int sign)
    {
        var load = new Load(sign, sign * request.BranchTokens);
        Waiting += load;
        if (request.IsPaced)
            return;
        _room -= load;
        ref var own = ref CollectionsMarshal.GetValueRefOrAddDefault(_byTask, FirstTask(request), out _);
        own += load;
        if (own.Requests == 0)
            _byTask.Remove(FirstTask(request));
    }

    private static string FirstTask(PendingRequest request) => request.Tasks[0].Name;

    /// <param name="Requests">How many.</param>
    /// <param name="Tokens">Their tokens, counted over branches.</param>
    public readonly record struct Load(int Requests, int Tokens)
    {
        public static Load operator +(Load a, Load b) => new(a.Requests + b.Requests, a.Tokens + b.Tokens);

        public static Load operator -(Load a, Load b) => new(a.Requests - b.Requests, a.Tokens - b.Tokens);
    }
}
