using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Storage;

namespace Serving.Catalog;

/// <summary>What a state of the catalog does not allow: each throws, with the remedy.</summary>
public static class RoutingTableChecks
{
    /// <param name="verb">What can't be done then: "replaced".</param>
    /// <exception cref="DomainException">The model is loaded.</exception>
    public static void ThrowIfLoaded(this RoutingTable table, string model, string verb)
    {
        if (table.Models.ContainsKey(model))
        {
            throw DomainException.FailedPrecondition(
                $"models/{model}", $"The model '{model}' is loaded, so it can't be {verb}", remedy: "unload it first");
        }
    }

    /// <summary>Whether aliases use versions that a loaded model serves.</summary>
    internal static void ThrowIfUsed(this RoutingTable table, ModelHost host)
    {
        var users = Names(table, task => task.UsedVersions.Any(version =>
            task.Versions.TryGetValue(version, out var stored) && table.FindHost(stored) == host));
        if (users.Count > 0)
        {
            throw DomainException.FailedPrecondition(
                $"models/{host.Name}",
                $"Aliases of {users.Count} tasks use the model '{host.Name}' ({string.Join(", ", users.Take(5))})",
                remedy: "remove them, or unload it by force");
        }
    }

    /// <summary>Whether versions are for the weights of a model.</summary>
    internal static void ThrowIfMeant(this RoutingTable table, string model, string weights)
    {
        var users = Names(table, task => task.Versions.Values.Any(version => version.Manifest.HasWeights(weights)));
        if (users.Count > 0)
        {
            throw DomainException.FailedPrecondition(
                $"models/{model}",
                $"Versions of {users.Count} tasks are for the model '{model}' ({string.Join(", ", users.Take(5))})",
                remedy: "delete them first, or delete the model by force: they are served again once it is back");
        }
    }

    /// <summary>Whether an alias of a task uses a version.</summary>
    internal static void ThrowIfUsed(this RoutingTable table, string task, string version, string verb)
    {
        var alias = table.Tasks[task].Aliases.Aliases.FirstOrDefault(pair => pair.Value.Versions.Contains(version));
        if (alias.Key is not null)
        {
            throw DomainException.FailedPrecondition(
                $"tasks/{task}",
                $"The alias '{alias.Key}' of the task '{task}' uses version {version}, so it can't be {verb}",
                remedy: "point the alias at another version first");
        }
    }

    /// <summary>Whether the files of a task can't be read.</summary>
    internal static void ThrowIfBroken(this RoutingTable table, string task)
    {
        if (table.Tasks.GetValueOrDefault(task)?.Problem is { } problem)
            throw DomainException.FailedPrecondition($"tasks/{task}", problem);
    }

    private static List<string> Names(RoutingTable table, Func<StoredTask, bool> isUser) =>
        [.. table.Tasks.Values.Where(isUser).Select(task => task.Name)];
}
