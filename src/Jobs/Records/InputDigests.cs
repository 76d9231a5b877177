namespace Serving.Jobs.Records;

/// <summary>What a job was submitted for: the contents behind the names that its recipe reads.</summary>
/// <remarks>Versions of tasks are named by their digests already.</remarks>
public sealed record InputDigests
{
    /// <summary>SHA-256 of the files of each model, by name.</summary>
    public IReadOnlyDictionary<string, string> Models { get; init; } = new Dictionary<string, string>();

    /// <summary>The digest of each dataset, by name.</summary>
    public IReadOnlyDictionary<string, string> Datasets { get; init; } = new Dictionary<string, string>();
}
