using System.Text.Json;
using Serving.Storage;

namespace Serving.Training.Loop;

/// <summary>The finished stages of a job that trains in several, such as a sweep; on disk.</summary>
/// <remarks>
/// A job that resumes goes on behind the last finished stage, and there from the stage's own checkpoints.
/// </remarks>
/// <typeparam name="TResult">Plain data that turns into JSON and back without loss.</typeparam>
/// <param name="folder">Where the log and the stages' checkpoints are.</param>
/// <param name="stages">How many there will be.</param>
internal sealed class StageLog<TResult>(string folder, int stages)
{
    private readonly string _path = Path.Combine(folder, "runs.json");
    private List<TResult>? _finished;

    /// <summary>The results of the finished stages, in their order.</summary>
    /// <exception cref="JsonException">The log is damaged.</exception>
    public IReadOnlyList<TResult> Finished => _finished ??= File.Exists(_path)
        ? JsonSerializer.Deserialize<List<TResult>>(File.ReadAllText(_path))!
        : [];

    /// <summary>The number of the stage to be run, from 0.</summary>
    public int Current => Finished.Count;

    public bool IsOver => Current >= stages;

    /// <summary>Where the current stage keeps its checkpoints.</summary>
    public string Checkpoints => Path.Combine(folder, $"run-{Current}");

    /// <summary>What a trainer of the current stage reports to.</summary>
    /// <returns>Counts steps over all stages, which have equally many; passes no evaluation on.</returns>
    public ITrainingObserver Observe(ITrainingObserver observer) => new Observer(observer, Current, stages);

    /// <summary>Ends the current stage. Its result is on disk before its checkpoints are deleted.</summary>
    public void Finish(TResult result)
    {
        var checkpoints = Checkpoints;
        TResult[] finished = [.. Finished, result];
        DiskFileSystem.Instance.Replace(_path, file => JsonSerializer.Serialize(file, finished));
        _finished = [.. finished];
        if (Directory.Exists(checkpoints))
            Directory.Delete(checkpoints, recursive: true);
    }

    private sealed class Observer(ITrainingObserver observer, int stage, int stages) : ITrainingObserver
    {
        public void Stepped(TrainingProgress progress) => observer.Stepped(progress with
        {
            Step = (stage * progress.TotalSteps) + progress.Step,
            TotalSteps = stages * progress.TotalSteps
        });

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest)
        {
            // A stage's own evaluations would be many, and those of different stages can't be compared.
        }

        public void Warned(long step, string message) =>
            observer.Warned(step, $"Training {stage + 1} of {stages}: {message}");
    }
}
