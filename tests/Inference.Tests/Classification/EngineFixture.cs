using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Testing;

namespace Serving.Inference.Tests.Classification;

/// <summary>An engine over the small random BERT, with tasks that the test makes.</summary>
internal sealed class EngineFixture : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public EngineFixture(EngineOptions? options = null, EngineLoad? load = null, bool hasLanes = false)
    {
        Backend = new(hasLanes);
        var folder = new BertFolder(Path.Combine(AppContext.BaseDirectory, "golden", "bert"));
        Encoder = folder.LoadEncoder(Backend);
        Lanes = new(Backend, Time, load);
        Engine = new(Lanes, Encoder, folder.LoadTokenizer(), options ?? new(), Time);
    }

    public GatedBackend Backend { get; }

    public LanePool Lanes { get; }

    public ManualTime Time { get; } = new();

    public BertEncoder Encoder { get; }

    public ClassificationEngine Engine { get; }

    /// <summary>Writes a random task, loads it and makes it the active version.</summary>
    /// <returns>The version.</returns>
    public string AddTask(
        string name, int seed, int labels = 2, TextInputs inputs = TextInputs.Text, float headScale = 1f,
        int firstLayer = 1)
    {
        var folder = WriteTask(seed, labels, inputs, headScale, firstLayer);
        var version = Engine.LoadTaskAsync(name, folder, Path.GetFileName(folder)).GetAwaiter().GetResult();
        Engine.ActivateTask(name, version);
        return version;
    }

    /// <returns>The version's folder.</returns>
    public string WriteTask(
        int seed, int labels = 2, TextInputs inputs = TextInputs.Text, float headScale = 1f, int firstLayer = 1)
    {
        var version = RandomTask.Write(
            _folder.Path, Encoder.Config, Encoder.Backbone!, seed, labels, inputs, headScale, firstLayer);
        return _folder.At(version);
    }

    public Task<ClassificationResult> Classify(string text, params string[] tasks) =>
        Engine.ClassifyAsync(Request(text, tasks));

    public static ClassificationRequest Request(string text, params string[] tasks) =>
        new() { Text = text, Tasks = [.. tasks.Select(task => new TaskReference(task))] };

    public void Dispose()
    {
        Backend.Open();
        Engine.Dispose();
        Lanes.Dispose();
        Encoder.Dispose();
        Backend.Dispose();
        _folder.Dispose();
    }
}
