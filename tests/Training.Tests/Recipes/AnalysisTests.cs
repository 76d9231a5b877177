using System.Text.Json;
using System.Xml.Linq;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Training.Analysis;
using Serving.Training.Classification;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

public sealed class AnalysisTests : RecipeFixture
{
    [Fact]
    public void Evaluation_OfTheValidationData_SaysWhatTheTrainerSaid()
    {
        var trained = Train(
            "tone-task", Classifier(TrainingMethod.Mask, epochs: 20) with { ValidationDataset = "tone-dev" });

        var result = Run(
            "job", new EvaluationRecipe { Task = Task("tone-task", trained), Dataset = "tone-dev", MaxTokens = 32 });

        Assert.Equal(trained.Metrics.OrderBy(metric => metric.Key), result.Metrics.OrderBy(metric => metric.Key));
        Assert.Equal(result.Metrics["accuracy"], result.Metrics["micro_f1"]);
        var report = Json("evaluation.json").GetProperty("report");
        var confusion = report.GetProperty("confusion").EnumerateArray()
            .Select(row => row.EnumerateArray().Select(count => count.GetInt32()).ToArray()).ToArray();
        Assert.Equal(60, confusion.Sum(row => row.Sum()));
        Assert.Equal(result.Metrics["accuracy"], (confusion[0][0] + confusion[1][1]) / 60.0);
        var bins = report.GetProperty("calibration").EnumerateArray();
        Assert.Equal(60, bins.Sum(bin => bin.GetProperty("examples").GetInt32()));
        Assert.Contains("bad", Svg("confusion.svg"));
        Assert.Contains("accuracy", Svg("calibration.svg"));
    }

    [Fact]
    public void Evaluation_OfNumbers_SaysTheCorrelation()
    {
        var trained = Train(
            "marks-task", Classifier(TrainingMethod.Finetune) with { Dataset = "marks", IsRegression = true });
        var result = Run(
            "job",
            new EvaluationRecipe { Task = new("marks-task", Version(trained), "marks-task"), Dataset = "marks" });
        Assert.InRange(result.Metrics["pearson"], 0.8, 1);
    }

    [Fact]
    public void MaskSimilarity_IsZeroForTheSameMasks_AndCountsBitsForOthers()
    {
        var first = Train("first", Classifier(TrainingMethod.Mask, epochs: 2));
        var second = Train("second", Classifier(TrainingMethod.Mask, epochs: 2) with
        {
            Settings = Classifier(TrainingMethod.Mask, epochs: 2).Settings with { Seed = 9 }
        });

        var same = new MaskSimilarityRecipe { Tasks = [Task("first", first), Task("first", first)] };
        Assert.Equal(0, Run("same", same).Metrics["dissimilarity"]);
        var result = Run("job", new MaskSimilarityRecipe { Tasks = [Task("first", first), Task("second", second)] });

        var report = Json("mask-similarity.json");
        var names = report.GetProperty("tensors").EnumerateArray().Select(name => name.GetString()!).ToList();
        Assert.Equal(13, names.Count);
        var measured = report.GetProperty("pairs")[0].GetProperty("tensors").EnumerateArray()
            .Select(value => value.GetDouble()).ToList();
        using var a = VersionFiles.Open(first.TaskVersion!, null);
        using var b = VersionFiles.Open(second.TaskVersion!, null);
        foreach (var (name, value) in names.Zip(measured))
            Assert.Equal(BitMask.Dissimilarity(a.ReadMask(name), b.ReadMask(name)), value);
        Assert.Equal(MaskDistance.Between(a, b).Total, result.Metrics["dissimilarity"]);
        var blocks = report.GetProperty("blocks").EnumerateArray();
        Assert.Equal(["layer 0", "layer 1", "pooler"], blocks.Select(block => block.GetString()));
        Assert.Contains("first / second", Svg("tensors.svg"));
        Assert.Contains("pooler", Svg("blocks.svg"));
    }

    /// <summary>
    /// By hand: 2 layers of 4 h² + 2 · 4 h² weights and the pooler's h², h = 32, a bit each; heads of 2 · 32 + 2
    /// floats.
    /// </summary>
    [Fact]
    public void Memory_IsWhatTheFormulasSay()
    {
        var trained = Train("tone-task", Classifier(TrainingMethod.Mask, epochs: 1));
        var result = Run("job", new MemoryRecipe { Task = Task("tone-task", trained), MostTasks = 3 });

        const int masked = (2 * 12 * 32 * 32) + (32 * 32);
        const int head = 4 * ((2 * 32) + 2);
        var report = Json("memory.json");
        var backbone = report.GetProperty("backbone_bytes").GetInt64();
        Assert.Equal(masked, report.GetProperty("masked_weights").GetInt32());
        Assert.Equal(masked / 8, report.GetProperty("mask_bytes").GetInt32());
        Assert.Equal(head, report.GetProperty("head_bytes").GetInt32());
        Assert.Equal((masked / 8) + head, result.Metrics["masked_bytes_per_task"]);
        var third = report.GetProperty("tasks")[2];
        Assert.Equal(3 * (backbone + head), third.GetProperty("finetuned_bytes").GetInt64());
        Assert.Equal(backbone + (3 * ((masked / 8) + head)), third.GetProperty("masked_bytes").GetInt64());
        Assert.Contains("fine-tuned", Svg("memory.svg"));
    }

    [Fact]
    public void Connectivity_HasTheEndsOfTheTasks_AndTheCurveDoesNotRiseAboveTheLine()
    {
        var recipe = Classifier(TrainingMethod.Finetune, epochs: 4) with { ValidationDataset = "tone-dev" };
        var first = Train("first", recipe);
        var second = Train("second", recipe with { Settings = recipe.Settings with { Seed = 5 } });
        VersionInput[] ends = [new("first", Version(first), "first"), new("second", Version(second), "second")];

        var result = Run("job", new ConnectivityRecipe
        {
            First = ends[0],
            Second = ends[1],
            Dataset = "tone-dev",
            TrainingDataset = "tone",
            Points = 5,
            MaxTokens = 32,
            Steps = 60,
            LearningRate = 1e-3f
        });

        var line = Json("connectivity.json").GetProperty("line").EnumerateArray().ToList();
        var curve = Json("connectivity.json").GetProperty("curve").EnumerateArray().ToList();
        foreach (var path in (List<JsonElement>[])[line, curve])
        {
            Assert.Equal(first.Metrics["loss"], path[0].GetProperty("loss").GetDouble(), 5);
            Assert.Equal(second.Metrics["loss"], path[4].GetProperty("loss").GetDouble(), 5);
            Assert.Equal(second.Metrics["accuracy"], path[4].GetProperty("accuracy").GetDouble());
        }

        Assert.Equal(0.25, line[1].GetProperty("t").GetDouble());
        var barrier = line.Max(point => Loss(point) - ((1 - T(point)) * Loss(line[0])) - (T(point) * Loss(line[4])));
        Assert.Equal(barrier, result.Metrics["line_barrier"], 12);
        Assert.InRange(result.Metrics["curve_barrier"], 0, Math.Max(0, result.Metrics["line_barrier"]));
        Assert.Contains("Bézier", Svg("loss.svg"));
        Assert.Contains("accuracy", Svg("accuracy.svg"));

        static double Loss(JsonElement point) => point.GetProperty("loss").GetDouble();
        static double T(JsonElement point) => point.GetProperty("t").GetDouble();
    }

    [Fact]
    public void Projection_OfALearnedTask_TellsItsLabelsApartBetter()
    {
        var trained = Train(
            "tone-task", Classifier(TrainingMethod.Mask, epochs: 40) with { ValidationDataset = "tone-dev" });
        var result = Run(
            "job", new ProjectionRecipe { Task = Task("tone-task", trained), Dataset = "tone-dev", MostExamples = 50 });
        Assert.InRange(result.Metrics["silhouette_before"], -1, result.Metrics["silhouette_after"]);
        var report = Json("projection.json");
        Assert.Equal(50, report.GetProperty("after").GetProperty("points").GetArrayLength());
        var explained = report.GetProperty("after").GetProperty("explained").EnumerateArray()
            .Select(share => share.GetDouble()).ToList();
        Assert.True(explained[0] >= explained[1] && explained[1] > 0 && explained.Sum() <= 1 + 1e-9);
        Assert.Contains("good", Svg("projection-before.svg"));
        Assert.Contains("good", Svg("projection-after.svg"));
        foreach (var when in (string[])["before", "after"])
        {
            var tsne = report.GetProperty($"tsne_{when}");
            Assert.Equal(50, tsne.GetProperty("points").GetArrayLength());
            Assert.Equal(49 / 3.0, tsne.GetProperty("perplexity").GetDouble()); // Of the 30 asked for.
            Assert.Contains("good", Svg($"tsne-{when}.svg"));
        }

        Assert.InRange(result.Metrics["neighbor_accuracy_before"], 0, result.Metrics["neighbor_accuracy_after"]);
    }

    [Fact]
    public void Sweep_Interrupted_EndsAsIfItHadNotBeen()
    {
        var recipe = new SweepRecipe
        {
            Base = Classifier(TrainingMethod.Mask, epochs: 1),
            InitialSparsities = [0.05, 0.5],
            MaskedBlocks = [0, 1],
            Seeds = [1, 2]
        };
        var calm = Run("calm", recipe);
        var steps = 0;
        Assert.Throws<OperationCanceledException>(() => recipe.Run(Context("job", () => StopAt(25, ref steps))));
        var result = Run("job", recipe);

        Assert.Equal(calm.Metrics, result.Metrics);
        Assert.Equal(
            [
                "initial sparsity 0.05", "initial sparsity 0.5", "blocks, bottom up 0", "blocks, top down 0",
                "blocks, bottom up 1", "blocks, top down 1"
            ],
            result.Metrics.Keys);
        var runs = Json("sweep.json").GetProperty("runs").EnumerateArray().ToList();
        Assert.Equal(12, runs.Count);
        var point = Json("sweep.json").GetProperty("points")[0];
        var sparse = runs.Where(run => run.GetProperty("x").GetDouble() == 0.05);
        var mean = sparse.Average(run => run.GetProperty("metric").GetDouble());
        Assert.Equal(mean, point.GetProperty("mean").GetDouble(), 12);
        Assert.Contains("initial sparsity", Svg("sparsity.svg"));
        Assert.Contains("top down", Svg("blocks.svg"));
    }

    private static void StopAt(int step, ref int steps)
    {
        if (++steps == step)
            throw new OperationCanceledException();
    }

    [Fact]
    public void Incumbent_IsJudgedOnTheSameData()
    {
        var recipe = Classifier(TrainingMethod.Mask, epochs: 2) with { ValidationDataset = "tone-dev" };
        var incumbent = Train("first", recipe);
        var result = Run("job", recipe with { Incumbent = Task("first", incumbent) });
        Assert.Equal(incumbent.Metrics["accuracy"], result.Metrics[IComparableRecipe.IncumbentMetric]);
    }

    [Fact]
    public void Chart_WithNamesThatXmlCannotHold_IsStillXml()
    {
        var svg = XElement.Parse(
            SvgPlot.Chart("a < b & c", "\0", "\uD800", [new("\uFFFE \u0001 good", [(0, 0), (0, 0)])]));
        Assert.Contains("a < b & c", svg.Value, StringComparison.Ordinal);
        Assert.Contains("? ? good", svg.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Pairs_ThatTheModelOrTheTokensHaveNoRoomFor_AreRefusedBeforeAnythingIsRun()
    {
        var onPairs = Classifier(TrainingMethod.Mask, epochs: 1) with { Dataset = "pairs", ValidationShare = 0.2 };
        var task = Task("pair-task", Train("pair-task", onPairs));
        const string room = "max_tokens: It is 4; it must be 5 or more for pairs of texts";
        Refused(room, onPairs with { MaxTokens = 4 });
        Refused(room, new EvaluationRecipe { Task = task, Dataset = "pairs", MaxTokens = 4 });
        Refused(room, new ConnectivityRecipe { First = task, Second = task, Dataset = "pairs", MaxTokens = 4 });

        var config = Path.Combine(ModelFolder("backbone"), "config.json");
        File.WriteAllText(
            config, File.ReadAllText(config).Replace("\"type_vocab_size\": 2", "\"type_vocab_size\": 1"));
        const string types = "dataset: The task 'pair-task' reads pairs of texts, and its model 'backbone' single ones";
        Refused(types, new EvaluationRecipe { Task = task, Dataset = "pairs" });
        Refused(types, new ProjectionRecipe { Task = task, Dataset = "pairs" });
        Refused(types, new ConnectivityRecipe { First = task, Second = task, Dataset = "pairs", MaxTokens = 5 });

        void Refused(string message, Recipe recipe) => Assert.StartsWith(
            message, Assert.Throws<SettingException>(() => recipe.Validate(this)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vocab.txt", "\ng\n", "\n[g]\n", "its tokenizer has changed since")]
    [InlineData("config.json", "1E-12", "1E-06", "its configuration has changed since")]
    public void Task_OfAModelWhoseFilesHaveChanged_IsNotRun(string file, string before, string after, string message)
    {
        var tone = Task("tone-task", Train("tone-task", Classifier(TrainingMethod.Mask, epochs: 1)));
        var path = Path.Combine(ModelFolder("backbone"), file);
        var changed = File.ReadAllText(path).Replace(before, after, StringComparison.Ordinal);
        Assert.NotEqual(File.ReadAllText(path), changed);
        File.WriteAllText(path, changed);
        Recipe[] recipes =
        [
            new EvaluationRecipe { Task = tone, Dataset = "tone" },
            new ProjectionRecipe { Task = tone, Dataset = "tone" },
            new ConnectivityRecipe { First = tone, Second = tone, Dataset = "tone", MaxTokens = 32 }
        ];
        Assert.All(recipes, recipe => Assert.Contains(
            message, Assert.Throws<ModelFileException>(() => Run("changed", recipe)).Message,
            StringComparison.Ordinal));
    }

    [Fact]
    public void Run_WhatCannotBe_IsRefused()
    {
        var tone = Task("tone-task", Train("tone-task", Classifier(TrainingMethod.Mask, epochs: 1)));
        Refused(
            "dataset: Of the task 'tone-task' and the dataset 'pairs' one has pairs and one has not; both are "
            + "needed alike.",
            new EvaluationRecipe { Task = tone, Dataset = "pairs" });
        Refused(
            "dataset: The dataset 'corpus' has no labels; upload it with a label column.",
            new EvaluationRecipe { Task = tone, Dataset = "corpus" });
        Refused(
            "dataset: Labels of the dataset 'marks' that the task 'tone-task' does not know: 0.5, 1.5. It knows "
            + "bad, good.",
            new EvaluationRecipe { Task = tone, Dataset = "marks" });
        Refused(
            "tasks: It is a list of 1; it must be 2 to 64 task versions.", new MaskSimilarityRecipe { Tasks = [tone] });
        Refused("most_tasks: It is 0; it must be 1 to 10000.", new MemoryRecipe { Task = tone, MostTasks = 0 });
        Refused(
            "points: It is 2; it must be 3 to 101.",
            new ConnectivityRecipe { First = tone, Second = tone, Dataset = "tone", Points = 2 });
        Refused(
            "most_examples: It is 2; it must be 3 to 5000.",
            new ProjectionRecipe { Task = tone, Dataset = "tone", MostExamples = 2 });
        Refused(
            "perplexity: It is 1; it must be 2 to 500.",
            new ProjectionRecipe { Task = tone, Dataset = "tone", Perplexity = 1 });
        var sweep = new SweepRecipe { Base = Classifier(TrainingMethod.Mask), Seeds = [1] };
        Refused(
            "initial_sparsities: It is a sweep of 0 trainings; it must be 1 to 1000 with masked_blocks and seeds.",
            sweep);
        Refused("initial_sparsities: It is 1; it must be 0 to below 1 each.", sweep with { InitialSparsities = [1] });
        Refused("masked_blocks: It is 3; it must be 0 to 2, the model's layers.", sweep with { MaskedBlocks = [3] });
        Refused(
            "base: A sweep is over masks; choose the method mask.",
            sweep with { Base = Classifier(TrainingMethod.HeadOnly), MaskedBlocks = [1] });

        void Refused(string message, Recipe bad) =>
            Assert.Equal(message, Assert.ThrowsAny<ArgumentException>(() => Run("refused", bad)).Message);
    }

    /// <summary>Trains a task whose name is its job's.</summary>
    private RecipeResult Train(string name, ClassifierRecipe recipe) => Run(name, recipe);

    private static VersionInput Task(string name, RecipeResult trained) => new(name, Version(trained), "backbone");

    private static string Version(RecipeResult trained) => Path.GetFileName(trained.TaskVersion!);

    private string Artifact(string name) => File.ReadAllText(Path.Combine(JobFolder("job"), "artifacts", name));

    private JsonElement Json(string name) => JsonSerializer.Deserialize<JsonElement>(Artifact(name));

    /// <summary>The text in a plot, which is well-formed XML.</summary>
    private string Svg(string name)
    {
        var root = XElement.Parse(Artifact(name));
        Assert.Equal("svg", root.Name.LocalName);
        return string.Join('\n', root.Descendants()
            .Where(element => element.Name.LocalName == "text").Select(element => element.Value));
    }
}
