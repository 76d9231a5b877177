using Serving.Testing;
using Serving.Training.Loop;

namespace Serving.Training.Tests.Loop;

public sealed class StageLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Finish_IsOnDisk_ForALogThatIsOpenedAgain()
    {
        var log = Open();
        Assert.Equal((0, false), (log.Current, log.IsOver));
        log.Finish(new("first", 0.5));

        var again = Open();

        Assert.Equal([new("first", 0.5)], again.Finished);
        Assert.Equal((1, false), (again.Current, again.IsOver));
        again.Finish(new("second", double.MinValue));
        Assert.True(Open().IsOver);
    }

    /// <summary>As sweeps of the released version are on disk.</summary>
    [Fact]
    public void Finish_WritesRunsJson_AndDeletesTheStagesCheckpoints()
    {
        var log = Open();
        Directory.CreateDirectory(log.Checkpoints);
        Assert.Equal(_folder.At("run-0"), log.Checkpoints);
        log.Finish(new("first", 0.5));
        Assert.Equal("""[{"Name":"first","Metric":0.5}]""", File.ReadAllText(_folder.At("runs.json")));
        Assert.False(Directory.Exists(_folder.At("run-0")));
        Assert.Equal(_folder.At("run-1"), log.Checkpoints);
    }

    [Fact]
    public void Observe_CountsStepsOverAllStages()
    {
        var log = Open();
        log.Finish(new("first", 0.5));
        var seen = new Seen();
        var observer = log.Observe(seen);
        observer.Stepped(new(Step: 3, TotalSteps: 10, Loss: 1, LearningRate: 0.1f, Tokens: 5));
        observer.Evaluated(3, new Dictionary<string, double>(), isBest: true);
        Assert.Equal((13, 20), (seen.Progress!.Step, seen.Progress.TotalSteps));
    }

    public void Dispose() => _folder.Dispose();

    private StageLog<Result> Open() => new(_folder.Path, stages: 2);

    private sealed record Result(string Name, double Metric);

    private sealed class Seen : ITrainingObserver
    {
        public TrainingProgress? Progress { get; private set; }

        public void Stepped(TrainingProgress progress) => Progress = progress;

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest) =>
            Assert.Fail("An evaluation of one stage is not passed on.");
    }
}
