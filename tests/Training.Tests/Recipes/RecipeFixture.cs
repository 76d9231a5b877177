using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Pretraining;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

/// <summary>Whole jobs on small files: a backbone from a corpus, classifiers on the backbone.</summary>
public abstract class RecipeFixture : IRecipeInputs, IDisposable
{
    private static readonly string[] Nouns = ["film", "story", "cast", "music", "plot", "scene"];
    private static readonly string[] Good = ["good", "great", "fine", "lovely"];
    private static readonly string[] Bad = ["bad", "poor", "dull", "awful"];

    private readonly TemporaryFolder _folder = new();
    protected CpuBackend Backend { get; } = Small.Backend();

    protected RecipeFixture()
    {
        AddDataset("corpus", new("1", HasHeader: false), Enumerable.Range(0, 200).Select(i =>
            string.Join(" . ", Enumerable.Range(0, 3).Select(j => Text((3 * i) + j)))));
        AddDataset("tone", new("text", Label: "label"), Labelled(0, 160), "text\tlabel");
        AddDataset("tone-dev", new("text", Label: "label"), Labelled(160, 60), "text\tlabel");
        AddDataset(
            "pairs", new("a", "b", "label"), Enumerable.Range(0, 80).Select(i => $"{Text(i)}\t{Text(i + 1)}\t{i % 2}"),
            "a\tb\tlabel");
        AddDataset(
            "marks", new("text", Label: "mark"), Enumerable.Range(0, 120).Select(i => $"{Text(i)}\t{(i % 2) + 0.5}"),
            "text\tmark");
        Run("backbone", Pretraining);
    }

    public void Dispose()
    {
        Backend.Dispose();
        _folder.Dispose();
    }

    protected static PretrainingRecipe Pretraining => new()
    {
        Datasets = ["corpus"],
        Hidden = 32,
        Layers = 2,
        Heads = 2,
        MaxPositions = 64,
        VocabularySize = 200,
        SequenceLength = 32,
        HeldOutDocuments = 20,
        Settings = new() { Steps = 40, BatchSize = 16, LearningRate = 3e-3f, Seed = 1 }
    };

    protected static ClassifierRecipe Classifier(TrainingMethod method, int epochs = 12) => new()
    {
        Model = "backbone",
        Dataset = "tone",
        MaxTokens = 32,
        Settings = new()
        {
            Method = method,
            Epochs = epochs,
            BatchSize = 16,
            LearningRate = method == TrainingMethod.Finetune ? 3e-3f : 3e-2f,
            HeadLearningRate = method == TrainingMethod.Finetune ? 3e-3f : 3e-2f,
            Dropout = 0,
            Seed = 2
        }
    };

    private static IEnumerable<string> Labelled(int first, int count) =>
        Enumerable.Range(first, count).Select(i => $"{Text(i)}\t{(i % 2 == 0 ? "good" : "bad")}");

    /// <summary>Even ones are good, odd ones bad; no two are alike for long.</summary>
    private static string Text(int i)
    {
        var adjectives = i % 2 == 0 ? Good : Bad;
        return $"the {Nouns[i % 6]} of the {Nouns[i / 6 % 6]} is {adjectives[i / 2 % 4]} and {adjectives[i / 8 % 4]} "
            + $"number {(char)('a' + (i % 26))} {(char)('a' + (i / 26 % 26))}";
    }

    protected RecipeResult Run(string job, Recipe recipe) => recipe.Run(Context(job, () => { }));

    protected RecipeContext Context(string job, Action onStep, Action<string>? onWarning = null) => new()
    {
        Job = job,
        Folder = JobFolder(job),
        Inputs = this,
        Backend = Backend,
        Observer = new Observer(onStep, onWarning ?? (_ => { }))
    };

    protected string JobFolder(string job) => Path.Combine(_folder.Path, "jobs", job);

    public string ModelFolder(string name) => Path.Combine(JobFolder(name), "artifacts", "model");

    string IRecipeInputs.DatasetFolder(string name) => DatasetPath(name);

    string IRecipeInputs.TaskFolder(VersionInput task) =>
        Path.Combine(JobFolder(task.Task), "artifacts", "task", task.Version);

    protected string DatasetPath(string name) => Path.Combine(_folder.Path, "datasets", name);

    protected void AddDataset(string name, DatasetColumns columns, IEnumerable<string> lines, string? header = null)
    {
        var file = Path.Combine(_folder.Path, "file.tsv");
        File.WriteAllLines(file, header is null ? lines : lines.Prepend(header));
        AddDataset(name, columns, file, DatasetFormat.Tsv);
    }

    protected void AddDataset(string name, DatasetColumns columns, string file, DatasetFormat format)
    {
        Directory.CreateDirectory(DatasetPath(name));
        var manifest = DatasetFolder.Import(
            file, DatasetPath(name), name, format, columns, mostProblems: 0, mostBytes: 1 << 20,
            CancellationToken.None);
        File.WriteAllText(Path.Combine(DatasetPath(name), DatasetFolder.ManifestFile), manifest.ToJson());
    }

    private sealed class Observer(Action onStep, Action<string> onWarning) : ITrainingObserver
    {
        public void Stepped(TrainingProgress progress) => onStep();

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest)
        {
        }

        public void Warned(long step, string message) => onWarning(message);
    }
}
