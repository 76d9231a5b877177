using System.Collections.Immutable;

namespace Serving.Inference.Classification;

/// <summary>Which task versions are loaded and which are active: immutable, replaced as a whole.</summary>
internal sealed record ResidentSnapshot(
    ImmutableDictionary<(string Name, string Version), ResidentVersion> Loaded,
    ImmutableDictionary<string, string> Active)
{
    private const int MostNamesInMessage = 10;

    public static ResidentSnapshot Empty { get; } = new(
        ImmutableDictionary<(string, string), ResidentVersion>.Empty,
        ImmutableDictionary.Create<string, string>(StringComparer.Ordinal));

    /// <exception cref="NotResidentException">It is not loaded, or no version of it is active.</exception>
    public ResidentVersion Find(TaskReference reference)
    {
        var version = reference.Version ?? Active.GetValueOrDefault(reference.Name)
            ?? throw new NotResidentException($"No version of the task '{reference.Name}' is active. {Names()}");
        return Loaded.GetValueOrDefault((reference.Name, version))
            ?? throw new NotResidentException(
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
