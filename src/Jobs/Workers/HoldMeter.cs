namespace Serving.Jobs.Workers;

/// <summary>
/// Whether a process is held back: it could compute, but gets next to nothing of the processors. One that waits for a
/// disk is not.
/// </summary>
internal sealed class HoldMeter
{
    private const double HeldBelow = 0.1; // Of one processor.
    private const double FreeAbove = 0.2; // More, so that it does not change with each look.

    private (TimeSpan Time, TimeSpan Processor)? _last;

    public bool IsHeldBack { get; private set; }

    /// <summary>Looks at the process; from the second look on, at what happened since the last.</summary>
    /// <param name="time">Now.</param>
    /// <param name="processor">What it has had of processors, all of its threads together.</param>
    /// <param name="wants">Whether a thread of it could run.</param>
    /// <returns>Whether that it is held back has changed.</returns>
    public bool Look(TimeSpan time, TimeSpan processor, bool wants)
    {
        var last = _last;
        _last = (time, processor);
        if (last is not { } before || time <= before.Time)
            return false;
        var share = (processor - before.Processor) / (time - before.Time);
        var isHeldBack = wants && share < (IsHeldBack ? FreeAbove : HeldBelow);
        var changed = isHeldBack != IsHeldBack;
        IsHeldBack = isHeldBack;
        return changed;
    }
}
