namespace Serving.Inference.Generation;

/// <summary>The ledger of an engine's device memory, in bytes.</summary>
/// <param name="Parameters">The decoder's.</param>
/// <param name="Workspace">Intermediate results of the largest step.</param>
/// <param name="Cache">Keys and values, whether a sequence has them or not.</param>
public sealed record GenerationMemory(long Parameters, long Workspace, long Cache)
{
    public long Total => Parameters + Workspace + Cache;
}
