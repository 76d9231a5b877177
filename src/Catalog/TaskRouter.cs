using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Serving.Catalog.Stored;
using Serving.Storage;

namespace Serving.Catalog;

/// <summary>Finds the version that a request runs on.</summary>
public sealed class TaskRouter(TaskCatalog catalog)
{
    // The golden ratio's fraction: its multiples spread evenly over 0 to 1, so that any share is met closely at all
    // times.
    private const double GoldenRatio = 0.6180339887498949;

    private long _requests;

    public RoutingTable Table => catalog.Table;

    /// <summary>Where a request stands between 0 and 1: below a canary's share it goes to the canary.</summary>
    /// <param name="key">Requests with the same key stand at the same place; empty takes the next place.</param>
    public double Place(string key)
    {
        if (key.Length == 0)
            return Interlocked.Increment(ref _requests) * GoldenRatio % 1;
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        return BinaryPrimitives.ReadUInt64LittleEndian(hash) / (double)ulong.MaxValue;
    }

    /// <summary>Finds a task's version in a table.</summary>
    /// <param name="field">Where the selector stands in the request.</param>
    /// <exception cref="DomainException">It is not there, or its model is not loaded.</exception>
    public static TaskRoute Resolve(RoutingTable table, VersionSelector selector, double place, string field)
    {
        var tasks = table.Desired;
        var task = ResourceName.Require($"{field}.task", selector.Task);
        if (selector.Version is not null)
        {
            var chosen = tasks.Find(selector, field);
            return new(task, chosen, table.Host(task, chosen));
        }

        var target = tasks.Alias(task, StoredTasks.AliasOf(selector, field));
        var isCanary = target.Canary is not null && place < target.Canary.Share;
        var version = tasks.Version(task, isCanary ? target.Canary!.Version : target.Version);
        var shadow = target.Shadow is null ? null : tasks.Version(task, target.Shadow);
        return new(
            task,
            version,
            table.Host(task, version),
            shadow is not null && table.FindHost(shadow) is { } shadowHost ? new(task, shadow, shadowHost) : null);
    }
}
