namespace Serving.Inference.Classification;

/// <summary>What a loaded task version takes.</summary>
/// <param name="Bytes">On the device.</param>
public sealed record VersionMemory(string Task, string Version, bool IsActive, long Bytes);

/// <summary>The ledger of an engine's device memory, in bytes.</summary>
/// <param name="Backbone">The encoder's parameters.</param>
/// <param name="Workspace">Intermediate results of the largest batch.</param>
/// <param name="Tasks">Every loaded version.</param>
public sealed record EngineMemory(long Backbone, long Workspace, IReadOnlyList<VersionMemory> Tasks)
{
    public long Total => Backbone + Workspace + Tasks.Sum(task => task.Bytes);
}
