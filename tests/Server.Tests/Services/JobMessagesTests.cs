using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Serving.Jobs.Records;
using Serving.Server.Services;

namespace Serving.Server.Tests.Services;

/// <summary>Files of jobs are JSON of the protocol's messages: those of former releases are read, and theirs read ours.
/// </summary>
public sealed class JobMessagesTests
{
    private static readonly Timestamp Time = new() { Seconds = 1_790_000_000, Nanos = 123_456_700 };

    public static TheoryData<string> Jobs =>
    [
        Succeeded(),
        JsonFormatter.Default.Format(new V1.Job
        {
            Id = "j",
            Spec = new(),
            State = V1.JobState.Queued,
            Submitted = Time
        })
    ];

    public static TheoryData<string> Events =>
    [
        JsonFormatter.Default.Format(new V1.JobEvent { Number = 1, Time = Time, State = V1.JobState.Queued }),
        JsonFormatter.Default.Format(new V1.JobEvent
        {
            Number = long.MaxValue,
            Time = Time,
            State = V1.JobState.Failed,
            Message = "It failed."
        }),
        JsonFormatter.Default.Format(
            new V1.JobEvent { Number = 2, Time = Time, Progress = Progress(secondsLeft: null) }),
        JsonFormatter.Default.Format(new V1.JobEvent { Number = 3, Time = Time, Progress = Progress(secondsLeft: 0) }),
        JsonFormatter.Default.Format(new V1.JobEvent
        {
            Number = 4,
            Time = Time,
            Evaluation = new() { Step = 7, Best = true, Metrics = { ["accuracy"] = 1, ["loss"] = 1e-9 } }
        }),
        JsonFormatter.Default.Format(new V1.JobEvent { Number = 5, Time = Time, Evaluation = new() }),
        JsonFormatter.Default.Format(
            new V1.JobEvent { Number = 6, Time = Time, Warning = new() { Step = 7, Message = "The loss jumps." } }),
        JsonFormatter.Default.Format(
            new V1.JobEvent { Number = 7, Time = Time, Progress = new() { Step = 7, HeldBack = true } })
    ];

    [Theory]
    [MemberData(nameof(Jobs))]
    public void Job_OfAFormerRelease_IsRead_AndReadsOurs(string json)
    {
        var job = JobJson.Read<JobRecord>(Encoding.UTF8.GetBytes(json));
        Assert.Equal(V1.Job.Parser.ParseJson(json), JobMessages.Message(job, events: 0));
        Assert.True(JsonElement.DeepEquals(Parse(json), Parse(Text(job))), Text(job));
    }

    [Theory]
    [MemberData(nameof(Events))]
    public void Event_OfAFormerRelease_IsRead_AndReadsOurs(string json)
    {
        var happened = JobJson.Read<JobEvent>(Encoding.UTF8.GetBytes(json));
        Assert.Equal(V1.JobEvent.Parser.ParseJson(json), JobMessages.Message(happened));
        Assert.True(JsonElement.DeepEquals(Parse(json), Parse(Text(happened))), Text(happened));
    }

    [Fact]
    public void Publication_IsReadFromTheSpec()
    {
        var job = JobJson.Read<JobRecord>(Encoding.UTF8.GetBytes(Succeeded()));
        Assert.Equal(
            new() { Task = "letters", Alias = "production", MinMetric = 0, NotBelowCurrent = true, Model = "tuned" },
            job.ReadPublication());
    }

    private static string Succeeded() => JsonFormatter.Default.Format(new V1.Job
    {
        Id = "20261127-074042123-abcdef",
        Spec = Spec(),
        State = V1.JobState.Succeeded,
        Message = "The alias 'production' was not moved: <too low>.",
        Submitted = Time,
        Started = new() { Seconds = 1_790_000_001 },
        Ended = new() { Seconds = 1_790_000_002, Nanos = 500_000_000 },
        Progress = Progress(secondsLeft: 0),
        Metrics = { ["accuracy"] = 0.9375, ["loss"] = double.NaN },
        TaskVersion = new string('a', 64),
        Artifacts = { new V1.Artifact { Name = "evaluation.json", Bytes = long.MaxValue } },
        Inputs = new() { Models = { ["small"] = "ab" }, Datasets = { ["letters"] = "cd" } }
    });

    private static V1.JobSpec Spec() => new()
    {
        Classifier = new() { Model = "small", Dataset = "letters", Method = V1.TrainingMethod.Mask, Epochs = 3 },
        Publish = new()
        {
            Task = "letters",
            Alias = "production",
            MinMetric = 0,
            NotBelowCurrent = true,
            Model = "tuned"
        }
    };

    private static V1.JobProgress Progress(double? secondsLeft)
    {
        var progress = new V1.JobProgress
        {
            Step = 7,
            TotalSteps = 20,
            Loss = 0.6931471805599453,
            LearningRate = 2e-2,
            TokensPerSecond = double.PositiveInfinity
        };
        if (secondsLeft is { } left)
            progress.SecondsLeft = left;
        return progress;
    }

    private static string Text<T>(T value) => Encoding.UTF8.GetString(JobJson.ToBytes(value));

    private static JsonElement Parse(string json) => JsonSerializer.Deserialize<JsonElement>(json);
}
