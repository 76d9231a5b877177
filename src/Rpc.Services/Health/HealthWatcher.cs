using System.Threading.Channels;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace Serving.Rpc.Services.Health;

/// <summary>
/// One watcher of one name. Changes wait in order up to a bound; a watcher that does not read loses the oldest ones and
/// still ends at the latest status.
/// </summary>
internal sealed class HealthWatcher : IDisposable
{
    private const int MaxWaitingChanges = 64;

    private readonly Action<HealthWatcher> _unwatch;
    private readonly Channel<ServingStatus> _changes = Channel.CreateBounded<ServingStatus>(
        new BoundedChannelOptions(MaxWaitingChanges) { FullMode = BoundedChannelFullMode.DropOldest });

    public HealthWatcher(string name, ServingStatus status, Action<HealthWatcher> unwatch)
    {
        Name = name;
        _unwatch = unwatch;
        Tell(status);
    }

    public string Name { get; }

    public void Tell(ServingStatus status) => _changes.Writer.TryWrite(status);

    public IAsyncEnumerable<ServingStatus> ReadAllAsync(CancellationToken cancellationToken) =>
        _changes.Reader.ReadAllAsync(cancellationToken);

    public void Dispose() => _unwatch(this);
}
