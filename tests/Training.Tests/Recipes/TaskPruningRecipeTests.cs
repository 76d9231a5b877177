using System.Text.Json;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Training.Classification;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

public sealed class TaskPruningRecipeTests : RecipeFixture
{
    [Fact]
    public void Weights_ArePrunedWhileTheMetricStays_AndTheTaskIsServedWithTheMasks()
    {
        var task = Train(TrainingMethod.Finetune);
        var result = Run("job", new TaskPruningRecipe
        {
            Source = task,
            Dataset = "tone-dev",
            Unit = PruningUnit.Weights,
            MaxTokens = 32,
            Step = 0.3,
            Turns = 40
        });

        using var pack = VersionFiles.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion));
        var turns = Turns();
        var passed = turns.TakeWhile(turn => turn.GetProperty("passes").GetBoolean()).Count();
        Assert.InRange(passed, 1, 39);
        Assert.Equal(passed + 1, turns.Count); // What comes after the last that passes does not.
        Assert.True(turns[passed].GetProperty("metric").GetDouble() < 0.9 * result.Metrics["full"]);
        Assert.InRange(result.Metrics["metric"], 0.9 * result.Metrics["full"], 1);

        // 24,576 weights, three tenths of what remains each turn, halves to even.
        var kept = 24_576L;
        for (var turn = 0; turn < passed; turn++)
            kept -= (long)Math.Round(0.3m * kept, MidpointRounding.ToEven);
        Assert.Equal(kept, pack.Manifest.Kept.Values.Sum());
        AssertServed(pack.Version, result.Metrics["metric"]);
        Assert.True(result.Metrics["metric"] > result.Metrics["mean_bad"]);
    }

    [Fact]
    public void Parts_ArePrunedWhileTheMetricStays_AndTheTaskIsServedWithoutThem()
    {
        var task = Train(TrainingMethod.Mask);
        var result = Run("job", new TaskPruningRecipe
        {
            Source = task,
            Dataset = "tone-dev",
            MaxTokens = 32,
            Keep = 0.8
        });

        using var pack = VersionFiles.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion));
        var pruned = pack.Manifest.Pruned!;
        Assert.Equal(4 - pruned.HeadCount(), result.Metrics["heads"]);
        Assert.Equal(2 - pruned.FeedForward.Count, result.Metrics["feed_forward"]);
        var turns = Turns();
        var passing = turns.FindAll(turn => turn.GetProperty("passes").GetBoolean());
        var parts = passing.ConvertAll(turn => turn.GetProperty("pruned").GetDouble());
        Assert.Equal(parts.Distinct().Order(), parts); // Each turn prunes more.
        Assert.InRange(result.Metrics["metric"], 0.8 * result.Metrics["full"], 1);

        // The masks of the task stay.
        using (var source = VersionFiles.Open(((IRecipeInputs)this).TaskFolder(task), task.Version))
            Assert.Equal(0, MaskDistance.Between(source, pack).Total);
        AssertServed(pack.Version, result.Metrics["metric"]);
        Assert.True(File.Exists(Path.Combine(JobFolder("job"), "artifacts", "importance.svg")));

        // Pruned once more, it begins with what is left.
        var again = Run("again", new TaskPruningRecipe
        {
            Source = new("job", pack.Version, "backbone"),
            Dataset = "tone-dev",
            MaxTokens = 32,
            Keep = 0.8
        });
        Assert.InRange(again.Metrics["heads"], 0, result.Metrics["heads"]);
    }

    /// <summary>Where all rows have one label, Matthews' correlation is 0: there is nothing to keep a part of.
    /// </summary>
    [Fact]
    public void Metric_ThatStartsAtZero_IsRefusedWithTheReason()
    {
        AddDataset(
            "one", new("text", Label: "label"), Enumerable.Range(0, 8).Select(i => $"a film {i}\tgood"), "text\tlabel");
        var recipe = new TaskPruningRecipe
        {
            Source = Train(TrainingMethod.HeadOnly),
            Dataset = "one",
            Measure = TaskMetric.Matthews
        };
        var error = Assert.Throws<ArgumentException>(() => Run("job", recipe));
        Assert.Equal(
            "The matthews of 'task' on 'one' is 0.0000, and a part of what is 0 or less says nothing. Choose another "
            + "measure, or train the task first.",
            error.Message);
        Assert.Contains(
            "measure: The task has labels, and pearson is for numbers",
            Assert.Throws<SettingException>(
                () => (recipe with { Measure = TaskMetric.Pearson }).Validate(this)).Message);
        Assert.Equal(recipe.ToJson(), Recipe.Parse(recipe.ToJson()).ToJson());
    }

    private VersionInput Train(TrainingMethod method)
    {
        var result = Run("task", Classifier(method, epochs: 20) with { ValidationDataset = "tone-dev" });
        return new(
            "task", Path.GetFileName(result.TaskVersion)!, method == TrainingMethod.Finetune ? "task" : "backbone");
    }

    private void AssertServed(string version, double accuracy)
    {
        var model = Directory.Exists(ModelFolder("task")) ? "task" : "backbone";
        var evaluation = Run("evaluation", new EvaluationRecipe
        {
            Task = new("job", version, model),
            Dataset = "tone-dev",
            MaxTokens = 32
        });
        Assert.Equal(accuracy, evaluation.Metrics["accuracy"]);
    }

    private List<JsonElement> Turns() =>
    [
        .. JsonDocument.Parse(File.ReadAllText(Path.Combine(JobFolder("job"), "artifacts", "task-pruning.json")))
            .RootElement.GetProperty("turns").EnumerateArray()
    ];
}
