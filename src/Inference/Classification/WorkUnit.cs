using Serving.Inference.Scheduling;

namespace Serving.Inference.Classification;

/// <summary>Some branches of a request that run in one batch.</summary>
/// <param name="NeedsWholeDevice">See <see cref="EngineOptions.WholeDeviceMultiplyAdds"/>.</param>
internal readonly record struct WorkUnit(PendingRequest Request, int FirstTask, int TaskCount, bool NeedsWholeDevice)
    : IWorkUnit
{
    public WorkItem Item => Request;

    public string FairKey => Request.Tasks[FirstTask].Name;

    public int Tokens => Request.Sequence.Tokens.Count * TaskCount;

    public int Branches => TaskCount;
}
