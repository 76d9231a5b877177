using System.Diagnostics;

namespace Serving.Inference.Scheduling;

/// <summary>Where an item's spans belong, and since when it waits.</summary>
internal sealed record RequestTrace(ActivityContext Caller, DateTimeOffset Admitted)
{
    /// <summary>When its batch began; set by the batch that it was last in.</summary>
    public DateTimeOffset Began { get; set; }

    /// <summary>The span of that batch.</summary>
    public ActivityContext Batch { get; set; }
}
