using System.Runtime.InteropServices;

namespace Serving.Inference.Scheduling;

/// <summary>Tracks what waits and decides which requests are rejected. Not thread-safe.</summary>
/// <remarks>
/// A request counts from its reservation until its last unit leaves the queue. A paced request, whose caller limits how
/// many it sends at a time, is never rejected and takes no room from the others.
/// </remarks>
/// <param name="limits">What may wait, paced requests aside.</param>
internal sealed class AdmissionControl(QueueLoad limits)
{
    private const int MostOfFreeRoom = 4; // One key alone can fill 4/5 of the room, two keys 4/9 each.
    private static readonly TimeSpan ShortestRetry = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(5);

    // Of requests that can be rejected.
    private readonly Dictionary<string, QueueLoad> _byKey = new(StringComparer.Ordinal);
    private QueueLoad _room = limits;
    private double _tokensPerSecond;

    /// <summary>The load of the whole queue.</summary>
    public QueueLoad Waiting { get; private set; }

    /// <summary>How long the queue will take at the recent speed.</summary>
    public TimeSpan RetryAfter
    {
        get
        {
            var wait = _tokensPerSecond > 0 ? TimeSpan.FromSeconds(Waiting.Tokens / _tokensPerSecond) : ShortestRetry;
            return TimeSpan.FromTicks(Math.Clamp(wait.Ticks, ShortestRetry.Ticks, LongestRetry.Ticks));
        }
    }

    /// <summary>Whether a request would be rejected, whatever its length.</summary>
    /// <remarks>
    /// A key may fill only so much of the room that a share of it always stays free for others: its load must be below
    /// a multiple of the free room (dynamic thresholds, Choudhury and Hahne 1998). However many requests come for one
    /// key, others find room.
    /// </remarks>
    public bool IsFull(string fairKey)
    {
        var own = _byKey.GetValueOrDefault(fairKey);
        return _room.Requests <= 0
            || _room.Tokens <= 0
            || own.Requests >= MostOfFreeRoom * (long)_room.Requests
            || own.Tokens >= MostOfFreeRoom * (long)_room.Tokens;
    }

    /// <summary>Takes the room of one request, without its tokens.</summary>
    public void Reserve(Reservation place) => TakeRoom(place, new(1, 0));

    /// <summary>Gives back the room of a place that no request took.</summary>
    public void Release(Reservation place) => TakeRoom(place, new(-1, 0));

    /// <summary>Whether there is room for the tokens of a request that has a place.</summary>
    public bool Fits(Reservation place, int tokens) => place.IsPaced || tokens <= _room.Tokens;

    /// <summary>A request begins to wait in its place.</summary>
    public void Enter(Reservation place, int tokens)
    {
        place.Tokens = tokens;
        Waiting += new QueueLoad(1, tokens);
        TakeRoom(place, new(0, tokens));
    }

    /// <summary>A request no longer waits.</summary>
    public void Leave(Reservation place)
    {
        Waiting -= new QueueLoad(1, place.Tokens);
        TakeRoom(place, new(-1, -place.Tokens));
    }

    /// <summary>Notes how fast a batch ran.</summary>
    public void NoteSpeed(int tokens, TimeSpan computed)
    {
        if (computed <= TimeSpan.Zero)
            return;
        var speed = tokens / computed.TotalSeconds;
        _tokensPerSecond = _tokensPerSecond > 0 ? (0.8 * _tokensPerSecond) + (0.2 * speed) : speed;
    }

    private void TakeRoom(Reservation place, QueueLoad load)
    {
        if (place.IsPaced)
            return;
        _room -= load;
        ref var own = ref CollectionsMarshal.GetValueRefOrAddDefault(_byKey, place.FairKey, out _);
        own += load;
        if (own.Requests == 0)
            _byKey.Remove(place.FairKey);
    }
}
