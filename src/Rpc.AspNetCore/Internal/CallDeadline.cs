namespace Grpc.AspNetCore.Server.Internal;

/// <summary>The end of a call's time.</summary>
internal sealed class CallDeadline : IAsyncDisposable
{
    /// <summary>What timers can wait for at once; a longer wait is taken in steps.</summary>
    private static readonly TimeSpan MaxTimerWait = TimeSpan.FromDays(49);

    private readonly TimeProvider _timeProvider;
    private readonly Lock _gate = new();
    private Func<Task>? _onPassed;
    private ITimer? _timer;
    private Task? _passing;
    private bool _isDisposed;

    public CallDeadline(TimeProvider timeProvider, TimeSpan timeout)
    {
        _timeProvider = timeProvider;
        var now = timeProvider.GetUtcNow().UtcDateTime;
        Utc = timeout < DateTime.MaxValue - now ? now + timeout : DateTime.MaxValue;
    }

    public DateTime Utc { get; }

    public void Start(Func<Task> onPassed)
    {
        _onPassed = onPassed;
        lock (_gate)
        {
            _timer = _timeProvider.CreateTimer(
                static state => ((CallDeadline)state!).OnTimer(), this, NextWait(), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>After this the deadline does nothing more.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? passing;
        lock (_gate)
        {
            _isDisposed = true;
            _timer?.Dispose();
            passing = _passing;
        }

        if (passing is not null)
        {
            await passing;
        }
    }

    private TimeSpan NextWait()
    {
        var left = Utc - _timeProvider.GetUtcNow().UtcDateTime;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < MaxTimerWait ? left : MaxTimerWait;
    }

    private void OnTimer()
    {
        lock (_gate)
        {
            if (_isDisposed || _passing is not null)
            {
                return;
            }

            if (NextWait() > TimeSpan.Zero)
            {
                _timer!.Change(NextWait(), Timeout.InfiniteTimeSpan);
                return;
            }

            _passing = Task.Run(_onPassed!);
        }
    }
}
