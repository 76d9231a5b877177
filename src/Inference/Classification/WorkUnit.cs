using Serving.Inference.Scheduling;

namespace Serving.Inference.Classification;

/// <summary>Some branches of a request that run in one batch.</summary>
/// <param name="NeedsWholeDevice">See <see cref="EngineOptions.WholeDeviceMultiplyAdds"/>.</param>
internal readonly record struct WorkUnit(
    PendingRequest Request, int FirstBranch, int BranchCount, bool NeedsWholeDevice)
    : IWorkUnit
{
    public WorkItem Item => Request;

    public string FairKey => Request.Branches[FirstBranch].Task?.Name ?? PendingRequest.NoTask;

    public int Tokens => Request.Sequence.Tokens.Count * BranchCount;

    public int Room => Tokens;

    public int Branches => BranchCount;
}
