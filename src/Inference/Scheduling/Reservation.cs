namespace Serving.Inference.Scheduling;

/// <summary>A place in an engine's queue, held for a request until it is queued; disposing gives it back.</summary>
public sealed class Reservation : IDisposable
{
    private Action<Reservation>? _release;

    /// <param name="release">Gives it back; also tells whose queue it is of.</param>
    internal Reservation(string fairKey, bool isPaced, Action<Reservation> release)
    {
        FairKey = fairKey;
        IsPaced = isPaced;
        _release = release;
    }

    /// <summary>Whose share of the queue it takes.</summary>
    internal string FairKey { get; }

    /// <summary>Whether it takes no room, since its caller limits how many requests it sends at a time.</summary>
    internal bool IsPaced { get; }

    /// <summary>Tokens of its request, once that is queued.</summary>
    internal int Tokens { get; set; }

    /// <summary>Gives the place back unless a request took it.</summary>
    public void Dispose() => Interlocked.Exchange(ref _release, value: null)?.Invoke(this);

    /// <summary>Takes it for a request, which gives it back when it leaves the queue.</summary>
    /// <returns>False if it is of another queue, taken or given back.</returns>
    internal bool TryTake(Action<Reservation> release) =>
        Interlocked.CompareExchange(ref _release, value: null, release) == release;
}
