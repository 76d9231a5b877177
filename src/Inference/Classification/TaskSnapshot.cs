using System.Collections.Immutable;

namespace Serving.Inference.Classification;

/// <summary>Which task versions are loaded and which are active: immutable, replaced as a whole.</summary>
internal sealed record TaskSnapshot(
    ImmutableDictionary<(string Name, string Version), ResidentTask> Loaded,
    ImmutableDictionary<string, string> Active)
{
    private const int MostNamesInMessage = 10;

    public static TaskSnapshot Empty { get; } = new(
        ImmutableDictionary<(string, string), ResidentTask>.Empty,
        ImmutableDictionary.Create<string, string>(StringComparer.Ordinal));

    /// <exception cref="UnknownTaskException">It is not loaded, or no version of it is active.</exception>
    public ResidentTask Find(TaskReference reference)
    {
        var version = reference.Version ?? Active.GetValueOrDefault(reference.Name)
            ?? throw new UnknownTaskException($"No version of the task '{reference.Name}' is active. {Names()}");
        return Loaded.GetValueOrDefault((reference.Name, version))
            ?? throw new UnknownTaskException(
                $"Version {version} of the task '{reference.Name}' is not loaded. Load it first. {Names()}");
    }

    private string Names()
    {
        if (Active.Count == 0)
            return "No task is active.";
        var names = Active.Keys.Order(StringComparer.Ordinal).Take(MostNamesInMessage);
        var more = Active.Count > MostNamesInMessage ? ", ..." : "";
        return $"{Active.Count} are active: {string.Join(", ", names)}{more}.";
    }
}
