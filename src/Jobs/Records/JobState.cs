using System.Text.Json.Serialization;

namespace Serving.Jobs.Records;

/// <summary>Where a job stands; the names are those of its files, and of the protocol.</summary>
public enum JobState
{
    [JsonStringEnumMemberName("JOB_STATE_UNSPECIFIED")]
    Unspecified,

    [JsonStringEnumMemberName("JOB_STATE_QUEUED")]
    Queued,

    [JsonStringEnumMemberName("JOB_STATE_RUNNING")]
    Running,

    [JsonStringEnumMemberName("JOB_STATE_SUCCEEDED")]
    Succeeded,

    [JsonStringEnumMemberName("JOB_STATE_FAILED")]
    Failed,

    [JsonStringEnumMemberName("JOB_STATE_CANCELLED")]
    Cancelled
}

public static class JobStates
{
    /// <summary>Whether nothing more happens to the job by itself.</summary>
    public static bool IsOver(this JobState state) =>
        state is JobState.Succeeded or JobState.Failed or JobState.Cancelled;
}
