using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Serving.Jobs.Records;

namespace Serving.Server.Services;

/// <summary>Jobs and their events as messages.</summary>
internal static class JobMessages
{
    // A spec of another release may have fields that this one does not know.
    private static readonly JsonParser Parser = new(JsonParser.Settings.Default.WithIgnoreUnknownFields(true));

    /// <summary>A spec as jobs keep it.</summary>
    public static JsonElement Json(V1.JobSpec spec) =>
        JsonSerializer.Deserialize<JsonElement>(JsonFormatter.Default.Format(spec));

    /// <param name="events">How many events the job has.</param>
    public static V1.Job Message(JobRecord job, long events) => new()
    {
        Id = job.Id,
        Spec = Parser.Parse<V1.JobSpec>(job.Spec.GetRawText()),
        State = State(job.State),
        Message = job.Message,
        Submitted = Time(job.Submitted),
        Started = Time(job.Started),
        Ended = Time(job.Ended),
        Progress = job.Progress is null ? null : Progress(job.Progress),
        Metrics = { job.Metrics.ToDictionary() },
        TaskVersion = job.TaskVersion,
        Events = events,
        Inputs = job.Inputs is null
            ? null
            : new()
            {
                Models = { job.Inputs.Models.ToDictionary() },
                Datasets = { job.Inputs.Datasets.ToDictionary() }
            },
        Artifacts =
        {
            job.Artifacts.Select(artifact => new V1.Artifact { Name = artifact.Name, Bytes = artifact.Bytes })
        }
    };

    public static V1.JobEvent Message(JobEvent happened)
    {
        var message = new V1.JobEvent
        {
            Number = happened.Number,
            Time = Time(happened.Time),
            Message = happened.Message
        };
        if (happened.Progress is { } progress)
            message.Progress = Progress(progress);
        if (happened.Warning is { } warning)
            message.Warning = new() { Step = warning.Step, Message = warning.Message };
        if (happened.State is { } state)
            message.State = State(state);
        if (happened.Evaluation is { } evaluation)
        {
            message.Evaluation = new()
            {
                Step = evaluation.Step,
                Best = evaluation.Best,
                Metrics = { (evaluation.Metrics ?? new Dictionary<string, double>()).ToDictionary() }
            };
        }

        return message;
    }

    private static V1.JobProgress Progress(JobProgress progress)
    {
        var message = new V1.JobProgress
        {
            Step = progress.Step,
            TotalSteps = progress.TotalSteps,
            Loss = progress.Loss,
            LearningRate = progress.LearningRate,
            TokensPerSecond = progress.TokensPerSecond,
            HeldBack = progress.HeldBack
        };
        if (progress.SecondsLeft is { } left)
            message.SecondsLeft = left;
        return message;
    }

    private static V1.JobState State(JobState state) => state switch
    {
        JobState.Queued => V1.JobState.Queued,
        JobState.Running => V1.JobState.Running,
        JobState.Succeeded => V1.JobState.Succeeded,
        JobState.Failed => V1.JobState.Failed,
        JobState.Cancelled => V1.JobState.Cancelled,
        _ => V1.JobState.Unspecified
    };

    private static Timestamp? Time(DateTimeOffset? time) =>
        time is null ? null : Timestamp.FromDateTimeOffset(time.Value);
}
