using Serving.Inference.Classification;

namespace Serving.Catalog.Resident;

/// <summary>The ledger of a model's device memory, in bytes.</summary>
/// <param name="Parameters">Of the model itself.</param>
/// <param name="Workspace">Intermediate results of the largest batch.</param>
/// <param name="Cache">Keys and values of a decoder.</param>
/// <param name="Tasks">Every loaded version of an encoder.</param>
public sealed record ModelMemory(long Parameters, long Workspace, long Cache, IReadOnlyList<VersionMemory> Tasks)
{
    public long Total => Parameters + Workspace + Cache + Tasks.Sum(task => task.Bytes);
}
