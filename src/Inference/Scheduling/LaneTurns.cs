namespace Serving.Inference.Scheduling;

/// <summary>Whose turn it is when a lane is idle: of the engines with work, the least served one.</summary>
/// <remarks>
/// Engines share by lane time, as keys share by tokens in <see cref="FairQueue{TUnit}"/>: each has a virtual time that
/// advances by the time for which lanes ran its batches; one that begins to have work starts no earlier than the
/// virtual time of the whole. Of equals, the one goes first whose last turn was longer ago. Not thread-safe.
/// </remarks>
internal sealed class LaneTurns
{
    private readonly List<EngineTurn> _turns = [];
    private TimeSpan _virtualTime;

    /// <summary>How many engines had work at the last call of <see cref="Next"/>.</summary>
    public int WithWork { get; private set; }

    public IReadOnlyList<EngineTurn> All => _turns;

    public void Add(IEngine engine) => _turns.Add(new(engine));

    public EngineTurn? Find(IEngine engine) => _turns.Find(turn => turn.Engine == engine);

    public void Remove(EngineTurn turn) => _turns.Remove(turn);

    /// <summary>The engine that goes first; null if none has work.</summary>
    public EngineTurn? Next()
    {
        EngineTurn? first = null;
        WithWork = 0;
        foreach (var turn in _turns)
        {
            var hadWork = turn.HasWork;
            turn.HasWork = turn.Engine.HasWork;
            if (!turn.HasWork)
                continue;
            WithWork++;
            if (!hadWork && turn.VirtualTime < _virtualTime)
                turn.VirtualTime = _virtualTime;
            if (first is null || turn.VirtualTime < first.VirtualTime)
                first = turn;
        }

        return first;
    }

    /// <summary>Notes that a lane takes a batch of an engine.</summary>
    public void Take(EngineTurn turn)
    {
        if (turn.VirtualTime > _virtualTime)
            _virtualTime = turn.VirtualTime;
        turn.Running++;
        _turns.Remove(turn);
        _turns.Add(turn);
    }
}

/// <summary>What an engine has had of the lanes.</summary>
internal sealed class EngineTurn(IEngine engine)
{
    public IEngine Engine { get; } = engine;

    /// <summary>See <see cref="LaneTurns"/>.</summary>
    public TimeSpan VirtualTime { get; set; }

    /// <summary>Whether it had work when a lane last looked.</summary>
    public bool HasWork { get; set; }

    /// <summary>Batches that lanes took and whose results are not out yet.</summary>
    public int Running { get; set; }

    /// <summary>Completes when it has neither work nor a running batch; null if nobody waits for that.</summary>
    public TaskCompletionSource? Idle { get; set; }
}
