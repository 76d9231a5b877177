using System.Text.Json;
using Serving.Jobs.Records;

namespace Serving.Jobs.Workers;

/// <summary>What a worker is told, in a file: the recipe, and where everything lies.</summary>
/// <param name="Job">Its id.</param>
/// <param name="Folder">Gets checkpoints and artifacts.</param>
/// <param name="Recipe">JSON.</param>
/// <param name="Models">Folders by name.</param>
/// <param name="Datasets">Folders by name.</param>
/// <param name="Tasks">Folders of task versions, by <see cref="TaskKey"/>.</param>
/// <param name="Threads">How many may compute.</param>
/// <param name="Device">What computes, by name.</param>
/// <param name="TorchLibraries">A folder with libtorch; null for what lies beside the worker.</param>
public sealed record WorkOrder(
    string Job,
    string Folder,
    string Recipe,
    IReadOnlyDictionary<string, string> Models,
    IReadOnlyDictionary<string, string> Datasets,
    IReadOnlyDictionary<string, string> Tasks,
    int Threads,
    string Device = Placement.Processor,
    string? TorchLibraries = null)
{
    /// <exception cref="IOException">It can't be read.</exception>
    /// <exception cref="JsonException">It is no order.</exception>
    public static WorkOrder Read(string path) => JsonSerializer.Deserialize<WorkOrder>(File.ReadAllText(path))
        ?? throw new JsonException("It is null.");

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this);

    public static string TaskKey(string task, string version) => $"{task}/{version}";
}
