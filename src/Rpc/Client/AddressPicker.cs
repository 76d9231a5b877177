namespace Grpc.Net.Client.Internal;

/// <summary>
/// Says which address a call goes to. An address that could not be connected to is passed over for a while, which doubles
/// with each failure; when all are, the one whose time is up first is tried.
/// </summary>
internal sealed class AddressPicker
{
    private readonly Lock _gate = new();
    private readonly Candidate[] _candidates;
    private readonly bool _isRoundRobin;
    private readonly TimeProvider _timeProvider;
    private readonly TimeSpan _initialBackoff;
    private readonly TimeSpan _maxBackoff;
    private int _next;

    public AddressPicker(
        IEnumerable<Uri> addresses,
        bool isRoundRobin,
        TimeProvider timeProvider,
        TimeSpan initialBackoff,
        TimeSpan maxBackoff)
    {
        _candidates = [.. addresses.Select(address => new Candidate(address))];
        _isRoundRobin = isRoundRobin;
        _timeProvider = timeProvider;
        _initialBackoff = initialBackoff;
        _maxBackoff = maxBackoff;
    }

    public int Count => _candidates.Length;

    public Uri Pick()
    {
        if (_candidates.Length == 1)
        {
            return _candidates[0].Address;
        }

        lock (_gate)
        {
            var now = _timeProvider.GetUtcNow();
            var best = _candidates[_next % _candidates.Length];
            for (var i = 0; i < _candidates.Length; i++)
            {
                var candidate = _candidates[(_next + i) % _candidates.Length];
                if (candidate.DownUntil <= now)
                {
                    best = candidate;
                    break;
                }

                best = candidate.DownUntil < best.DownUntil ? candidate : best;
            }

            if (_isRoundRobin)
            {
                _next = (Array.IndexOf(_candidates, best) + 1) % _candidates.Length;
            }

            return best.Address;
        }
    }

    /// <summary>Notes whether an address could be connected to.</summary>
    public void Report(Uri address, bool isUp)
    {
        if (_candidates.Length == 1)
        {
            return;
        }

        lock (_gate)
        {
            var candidate = Array.Find(_candidates, candidate => candidate.Address == address)!;
            if (isUp)
            {
                candidate.Backoff = TimeSpan.Zero;
                candidate.DownUntil = DateTimeOffset.MinValue;
                return;
            }

            var backoff = candidate.Backoff == TimeSpan.Zero ? _initialBackoff : 2 * candidate.Backoff;
            candidate.Backoff = backoff < _maxBackoff ? backoff : _maxBackoff;
            candidate.DownUntil = _timeProvider.GetUtcNow() + candidate.Backoff;
        }
    }

    private sealed class Candidate(Uri address)
    {
        public Uri Address { get; } = address;

        public TimeSpan Backoff { get; set; }

        public DateTimeOffset DownUntil { get; set; } = DateTimeOffset.MinValue;
    }
}
