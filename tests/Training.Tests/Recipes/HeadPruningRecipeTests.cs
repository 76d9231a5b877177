using System.Text.Json;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Training.Classification;
using Serving.Training.Pruning;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

public sealed class HeadPruningRecipeTests : RecipeFixture
{
    private static HeadPruningRecipe Pruning => new()
    {
        Base = Classifier(TrainingMethod.Finetune, epochs: 3) with { ValidationDataset = "tone-dev" },
        Strategies = [HeadStrategy.ImportantFirst, HeadStrategy.Random, HeadStrategy.Bottom],
        Share = 0.5,
        Seeds = [4, 5]
    };

    [Fact]
    public void Strategies_AreTrained_Compared_AndTheFirstIsServed()
    {
        var result = Run("job", Pruning);

        using (var pack = VersionFiles.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion)))
        {
            Assert.Equal(2, pack.Manifest.Pruned!.HeadCount());
            AssertZero(result.Model!, pack.Manifest.Pruned!);
        }

        Assert.Equal(2, result.Metrics["pruned_heads"]);
        var evaluation = Run("again", new EvaluationRecipe
        {
            Task = new("job", Path.GetFileName(result.TaskVersion)!, "job"),
            Dataset = "tone-dev",
            MaxTokens = 32
        });
        Assert.Equal(result.Metrics["loss"], evaluation.Metrics["loss"]);

        var report = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(JobFolder("job"), "artifacts", "head-pruning.json"))).RootElement;
        var strategies = report.GetProperty("strategies").EnumerateArray().ToList();
        Assert.Equal(
            ["full", "important_first", "random", "bottom"],
            strategies.Select(each => each.GetProperty("name").GetString()));
        Assert.All(strategies, each => Assert.Equal(2, each.GetProperty("each").GetArrayLength()));
        Assert.Equal(JsonValueKind.Null, strategies[1].GetProperty("difference").ValueKind);
        Assert.Equal(JsonValueKind.Object, strategies[2].GetProperty("difference").ValueKind);
        Assert.Equal(8, report.GetProperty("trainings").GetArrayLength());
        Assert.True(File.Exists(Path.Combine(JobFolder("job"), "artifacts", "head-pruning.svg")));
    }

    /// <summary>The columns that read what pruned heads say, and no others.</summary>
    private static void AssertZero(string model, PrunedParts pruned)
    {
        var folder = new BertFolder(model);
        var config = folder.LoadConfig();
        var (hidden, ofHead) = (config.Hidden, config.Hidden / config.Heads);
        using var files = folder.OpenWeights();
        var weights = new CheckpointParameters(files);
        for (var layer = 0; layer < config.Layers; layer++)
        {
            var values = new float[hidden * hidden];
            weights.Read(BertTensors.Weight(layer, BertMatrix.AttentionOutput), hidden, hidden, 0, values);
            for (var i = 0; i < values.Length; i++)
                Assert.Equal(pruned.Heads[layer].Contains(i % hidden / ofHead), values[i] == 0);
        }
    }

    [Fact]
    public void Job_ThatIsKilled_EndsWithTheSameBits()
    {
        var recipe = Pruning with
        {
            Base = Pruning.Base with { Settings = Pruning.Base.Settings with { CheckpointInterval = 7, Epochs = 2 } },
            Strategies = [HeadStrategy.UnimportantFirst],
            Share = 1,
            Seeds = [4]
        };
        var expected = Run("job", recipe);
        Directory.Delete(JobFolder("job"), recursive: true);
        foreach (var at in (int[])[9, 16])
        {
            var steps = 0;
            Assert.Throws<OperationCanceledException>(() => recipe.Run(Context("job", () =>
            {
                if (++steps == at)
                    throw new OperationCanceledException();
            })));
        }

        Assert.Equal(Path.GetFileName(expected.TaskVersion), Path.GetFileName(Run("job", recipe).TaskVersion));
    }

    [Fact]
    public void Recipe_ThatCannotBe_IsRefused()
    {
        Refused("share: It is 1.5; it must be above 0, at most 1.", Pruning with { Share = 1.5 });
        Refused("share: It is 0.125, 0 of 4 heads; it must be above 0.125.", Pruning with { Share = 0.125 });
        Refused("strategies: It is a list of 0", Pruning with { Strategies = [] });
        Refused("strategies: It is a list of 2, 1", Pruning with { Strategies = [HeadStrategy.Top, HeadStrategy.Top] });
        Refused("seeds: It is a list of 0", Pruning with { Seeds = [] });
        Refused("base: Heads are pruned", Pruning with { Base = Classifier(TrainingMethod.Mask) });
        Assert.Equal(Pruning.ToJson(), Recipe.Parse(Pruning.ToJson()).ToJson());

        void Refused(string message, Recipe bad) => Assert.Contains(
            message, Assert.Throws<SettingException>(() => bad.Validate(this)).Message, StringComparison.Ordinal);
    }
}
