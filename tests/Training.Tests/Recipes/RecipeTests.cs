using Serving.Models.Bert;
using Serving.Models.Tasks;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Training.Classification;
using Serving.Training.Data;
using Serving.Training.Pretraining;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

/// <summary>Whole jobs on small files: a backbone from a corpus, classifiers on the backbone.</summary>
public sealed class RecipeTests : IRecipeInputs, IDisposable
{
    private static readonly string[] Nouns = ["film", "story", "cast", "music", "plot", "scene"];
    private static readonly string[] Good = ["good", "great", "fine", "lovely"];
    private static readonly string[] Bad = ["bad", "poor", "dull", "awful"];

    private readonly TemporaryFolder _folder = new();
    private readonly CpuBackend _backend = Small.Backend();

    public RecipeTests()
    {
        AddDataset("corpus", new("1", HasHeader: false), Enumerable.Range(0, 200).Select(i => string.Join(" . ", Enumerable.Range(0, 3).Select(j => Text((3 * i) + j)))));
        AddDataset("tone", new("text", Label: "label"), Labelled(0, 160), "text\tlabel");
        AddDataset("tone-dev", new("text", Label: "label"), Labelled(160, 60), "text\tlabel");
        AddDataset("pairs", new("a", "b", "label"), Enumerable.Range(0, 80).Select(i => $"{Text(i)}\t{Text(i + 1)}\t{i % 2}"), "a\tb\tlabel");
        AddDataset("marks", new("text", Label: "mark"), Enumerable.Range(0, 120).Select(i => $"{Text(i)}\t{(i % 2) + 0.5}"), "text\tmark");
        Run("backbone", Pretraining);
    }

    [Fact]
    public void Pretraining_MakesAModelFolder()
    {
        var folder = new BertFolder(ModelFolder("backbone"));
        using var encoder = folder.LoadEncoder(_backend);
        Assert.Equal((32, 2, 64), (encoder.Config.Hidden, encoder.Config.Layers, encoder.Config.MaxPositions));
        var tokenizer = folder.LoadTokenizer();
        Assert.Equal(encoder.Config.Vocab, tokenizer.Vocabulary.Count);
        Assert.Equal(["lovely", "film"], tokenizer.Tokenize("Lovely film").Select(token => tokenizer.Vocabulary[token.Id]));
    }

    [Theory]
    [InlineData(TrainingMethod.Mask)]
    [InlineData(TrainingMethod.HeadOnly)]
    [InlineData(TrainingMethod.Finetune)]
    public void Classifier_MakesATaskVersion_ThatItsModelServes(TrainingMethod method)
    {
        var result = Run("job", Classifier(method, epochs: method == TrainingMethod.Mask ? 60 : 12) with { ValidationDataset = "tone-dev" });

        using var encoder = new BertFolder(result.Model ?? ModelFolder("backbone")).LoadEncoder(_backend);
        using var pack = TaskPack.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion));
        using var task = BertTask.Load(_backend, encoder, pack);
        Assert.Equal(method == TrainingMethod.Finetune, result.Model is not null);
        Assert.Equal(["bad", "good"], task.Labels);
        Assert.InRange(result.Metrics["accuracy"], method == TrainingMethod.HeadOnly ? 0.5 : 0.9, 1);
        Assert.Equal(result.Metrics["accuracy"], pack.Manifest.Metrics["accuracy"]);
        Assert.Equal(("job", 2), (pack.Manifest.Lineage!.Job, pack.Manifest.Lineage.Data.Count));
        Assert.Equal("tone", pack.Manifest.Lineage.Settings["dataset"].GetString());
        Assert.Equal(method == TrainingMethod.Mask ? 13 : 0, pack.Manifest.Kept.Count);
    }

    [Fact]
    public void Classifier_OnPairs_ReadsPairs()
    {
        var result = Run("job", Classifier(TrainingMethod.Mask, epochs: 1) with { Dataset = "pairs", ValidationShare = 0.2 });
        using var pack = TaskPack.Open(result.TaskVersion!, null);
        Assert.Equal((TaskInputs.Pair, 1), (pack.Manifest.Inputs, pack.Manifest.Lineage!.Data.Count));
    }

    [Fact]
    public void Classifier_OfNumbers_IsARegression()
    {
        var result = Run("job", Classifier(TrainingMethod.Finetune) with { Dataset = "marks", IsRegression = true });
        Assert.InRange(result.Metrics["pearson"], 0.8, 1);
        using var pack = TaskPack.Open(result.TaskVersion!, null);
        Assert.Equal(["value"], pack.Manifest.Labels);
    }

    [Fact]
    public void Classifier_RunAgain_IsTheSameVersion()
    {
        var recipe = Classifier(TrainingMethod.Mask, epochs: 2);
        var first = Path.GetFileName(Run("job", recipe).TaskVersion);
        Directory.Delete(JobFolder("job"), recursive: true);
        Assert.Equal(first, Path.GetFileName(Run("job", recipe).TaskVersion));
    }

    [Fact]
    public void Recipes_AreStoredWithoutLoss()
    {
        foreach (var recipe in (Recipe[])[Pretraining, Classifier(TrainingMethod.Mask)])
        {
            var again = Recipe.Parse(recipe.ToJson());
            Assert.Equal(recipe.ToJson(), again.ToJson());
            Assert.Equal(recipe.GetType(), again.GetType());
        }
    }

    [Fact]
    public void Run_WhatCannotBe_IsRefusedBeforeAnythingIsTrained()
    {
        var recipe = Classifier(TrainingMethod.Mask);
        Refused("The dataset 'corpus' has no labels; upload it with a label column.", recipe with { Dataset = "corpus" });
        Refused("Labels of the dataset 'tone' are no numbers; regression needs numbers.", recipe with { IsRegression = true });
        Refused("Of 'tone' and 'pairs' one has pairs and one has not; both are needed alike.", recipe with { ValidationDataset = "pairs" });
        Refused("ValidationShare is 0; it must be above 0 and below 1.", recipe with { ValidationShare = 0 });
        Refused("MaxTokens is 65; it must be 3 to 64, what the model has positions for.", recipe with { MaxTokens = 65 });
        Refused("Hidden is 33; it must be a multiple of the 2 heads, at most 8192.", Pretraining with { Hidden = 33 });
        Refused("VocabularySize is 5; it must be 100 to 65536.", Pretraining with { VocabularySize = 5 });
        Refused("There is no corpus; name at least one dataset.", Pretraining with { Datasets = [] });
        Refused(
            "The corpus has no more than 200 documents, which are held out; give more text, or hold out less.",
            Pretraining with { HeldOutDocuments = 200 });

        void Refused(string message, Recipe bad)
        {
            var steps = 0;
            Assert.Equal(message, Assert.ThrowsAny<ArgumentException>(() => bad.Run(Context("job", () => steps++))).Message);
            Assert.Equal(0, steps);
        }
    }

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    private static PretrainingRecipe Pretraining => new()
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

    private static ClassifierRecipe Classifier(TrainingMethod method, int epochs = 12) => new()
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
        return $"the {Nouns[i % 6]} of the {Nouns[i / 6 % 6]} is {adjectives[i / 2 % 4]} and {adjectives[i / 8 % 4]} number {(char)('a' + (i % 26))} {(char)('a' + (i / 26 % 26))}";
    }

    private RecipeResult Run(string job, Recipe recipe) => recipe.Run(Context(job, () => { }));

    private RecipeContext Context(string job, Action onStep) => new()
    {
        Job = job,
        Folder = JobFolder(job),
        Inputs = this,
        Backend = _backend,
        Observer = new Observer(onStep)
    };

    private string JobFolder(string job) => Path.Combine(_folder.Path, "jobs", job);

    public string ModelFolder(string name) => Path.Combine(JobFolder(name), "artifacts", "model");

    string IRecipeInputs.DatasetFolder(string name) => DatasetPath(name);

    private string DatasetPath(string name) => Path.Combine(_folder.Path, "datasets", name);

    private void AddDataset(string name, DatasetColumns columns, IEnumerable<string> lines, string? header = null)
    {
        var file = Path.Combine(_folder.Path, "file.tsv");
        File.WriteAllLines(file, header is null ? lines : lines.Prepend(header));
        Directory.CreateDirectory(DatasetPath(name));
        var manifest = DatasetFolder.Import(
            file, DatasetPath(name), name, DatasetFormat.Tsv, columns, mostProblems: 0, mostBytes: 1 << 20, CancellationToken.None);
        File.WriteAllText(Path.Combine(DatasetPath(name), DatasetFolder.ManifestFile), manifest.ToJson());
    }

    private sealed class Observer(Action onStep) : ITrainingObserver
    {
        public void Stepped(TrainingProgress progress) => onStep();

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest)
        {
        }
    }
}
