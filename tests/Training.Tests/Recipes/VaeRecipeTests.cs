using Serving.Models;
using Serving.Models.Lstm;
using Serving.Training.LanguageModels;
using Serving.Training.Recipes;
using Serving.Training.Settings;
using Serving.Training.Vae;

namespace Serving.Training.Tests.Recipes;

/// <summary>Autoencoders as whole jobs.</summary>
public sealed class VaeRecipeTests : RecipeFixture
{
    private static VaeRecipe Recipe => new()
    {
        Datasets = ["tone"],
        ValidationDatasets = ["tone-dev"],
        VocabularySize = 320,
        MaxTokens = 30,
        Hidden = 24,
        LatentSize = 4,
        Settings = new()
        {
            Epochs = 4,
            BatchSize = 16,
            LearningRate = 5e-3f,
            Dropout = 0.1f,
            WordDropout = 0.3,
            ImportanceDraws = 4,
            Kl = new() { Cycles = 2 },
            Seed = 1
        }
    };

    [Fact]
    public void Job_LearnsTexts_AndSaysWhatItsLatentsAreWorth()
    {
        var result = Run("vae", Recipe with { Settings = Recipe.Settings with { Epochs = 12 } });

        var metrics = result.Metrics;
        Assert.Equal(metrics["reconstruction"] + metrics["kl"], metrics["loss"], 1e-9);
        Assert.InRange(metrics["perplexity"], 1, 60); // Of 320 tokens.
        Assert.InRange(metrics["kl"], 0, metrics["loss"]);
        Assert.InRange(metrics["mutual_information"], -0.5, metrics["kl"] + 0.5);
        Assert.InRange(metrics["active_units"], 0, 4);
        Assert.InRange(metrics["importance_nll"], 0, metrics["loss"] + 0.5);
        Assert.True(metrics["accuracy"] > 0.2, $"{metrics["accuracy"]}");
        var config = new LstmFolder(result.Model!).LoadConfig();
        Assert.Equal((24, 24, 4, 1), (config.Embedding, config.Hidden, config.Latent, config.Layers));
        var steps = File.ReadAllLines(Path.Combine(JobFolder("vae"), "artifacts", "steps.tsv"));
        Assert.Equal(1 + (12 * 10), steps.Length);
        Assert.StartsWith("1\t0\t", steps[1], StringComparison.Ordinal);
        Assert.StartsWith("61\t0\t", steps[61], StringComparison.Ordinal); // The second cycle.
        Assert.StartsWith("120\t1\t", steps[120], StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(JobFolder("vae"), "artifacts", "kl.svg")));
    }

    [Theory]
    [InlineData(false, 7)] // While the weight rises.
    [InlineData(false, 16)] // While it is 1.
    [InlineData(false, 23)] // In the second cycle.
    [InlineData(true, 3)] // While the encoder has a loop of its own.
    [InlineData(true, 35)]
    public void Run_InterruptedAndResumed_EndsWithTheSameBits(bool aggressive, int stop)
    {
        var recipe = Recipe with
        {
            Hidden = 8,
            Settings = Recipe.Settings with { Aggressive = aggressive, CheckpointInterval = 3, Patience = 0 }
        };
        var whole = Run("whole", recipe);
        var steps = 0;
        Assert.Throws<OperationCanceledException>(() => recipe.Run(Context("cut", () =>
        {
            if (++steps == stop)
                throw new OperationCanceledException();
        })));

        var resumed = Run("cut", recipe);

        Assert.Equal(Weights(whole), Weights(resumed));
        Assert.Equal(whole.Metrics, resumed.Metrics);
        Assert.Equal(Steps("whole"), Steps("cut"));
    }

    /// <summary>What is on the disk behind a checkpoint is enough, whatever the process had yet to write.</summary>
    [Fact]
    public void Run_KilledBehindACheckpoint_ResumesWithAllItsSteps()
    {
        var recipe = Recipe with
        {
            Hidden = 8,
            Settings = Recipe.Settings with { Epochs = 1, CheckpointInterval = 3 }
        };
        var steps = 0;
        var whole = recipe.Run(Context("whole", () =>
        {
            if (++steps == 7)
                CopyFolder(JobFolder("whole"), JobFolder("killed"));
        }));

        var resumed = Run("killed", recipe);

        Assert.Equal(Weights(whole), Weights(resumed));
        Assert.Equal(Steps("whole"), Steps("killed"));
    }

    /// <summary>The number of the encoder's steps is what their code can come to; there is a first one, and an end.
    /// </summary>
    [Fact]
    public void Aggressive_TrainsTheEncoderUntilTheLossFallsNoMore()
    {
        Run("vae", Recipe with { Hidden = 8, Settings = Recipe.Settings with { Epochs = 2, Aggressive = true } });

        var ofEncoder = Steps("vae").Skip(1).Select(line => int.Parse(line.Split('\t')[4], null)).ToList();
        Assert.All(ofEncoder, steps => Assert.Contains(steps, (int[])[0, 30, 45, 60, 75, 90, 99]));
        Assert.NotEqual(0, ofEncoder[0]);
        Assert.Contains(ofEncoder, steps => steps is > 0 and < 99);
    }

    [Fact]
    public void Texts_ThatDoNotFit_AreLeftOut_AndTold()
    {
        var tooLong = string.Join(' ', Enumerable.Repeat("very", 40)) + " good";
        AddDataset(
            "some", new("1", HasHeader: false), [.. Enumerable.Repeat("the film is good", 30), "so " + tooLong, "a"]);
        var warnings = new List<string>();
        var recipe = Recipe with
        {
            Datasets = ["some"],
            ValidationDatasets = [],
            HeldOutTexts = 5,
            Settings = Recipe.Settings with { Epochs = 1 }
        };

        recipe.Run(Context("vae", () => { }, warnings.Add));

        Assert.Equal("Texts are left out: 1 of more than 30 tokens, 0 without any.", warnings[0]);
        var none = Assert.Throws<SettingException>(
            () => Run("none", recipe with { MaxTokens = 1, Datasets = ["tone"] }));
        Assert.Contains("No text has 1 to 1 tokens: 155 are longer", none.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Recipes_ThatCannotBe_AreRefused()
    {
        Refused(Recipe with { Datasets = [] }, "There is no text; name at least one dataset.");
        Refused(Recipe with { EmbeddingSize = 8 }, "embedding_size: It is 8; it must be 24, as the hidden states have");
        Refused(
            Recipe with { Settings = new() { Kl = new() { Cycles = 0 } } },
            "kl.cycles: It is 0; it must be 1 to 10000.");
        Refused(
            Recipe with { Settings = new() { Kl = new() { Rise = 0 } } },
            "kl.rise: It is 0; it must be above 0, at most 1.");
        Refused(
            Recipe with { Settings = new() { Kl = new() { Rise = 1.5 } } },
            "kl.rise: It is 1.5; it must be above 0, at most 1.");
        Run("vae", Recipe with { Settings = Recipe.Settings with { Epochs = 1 } });
        var more = new LanguageModelRecipe { Datasets = ["corpus"], Model = "vae", Settings = new() };
        Assert.Contains(
            "'vae' is an autoencoder", Assert.Throws<SettingException>(() => more.Validate(this)).Message,
            StringComparison.Ordinal);
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.GetFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private string[] Steps(string job) =>
        File.ReadAllLines(Path.Combine(JobFolder(job), "artifacts", "steps.tsv"));

    private static byte[] Weights(RecipeResult result) =>
        File.ReadAllBytes(Path.Combine(result.Model!, ModelFiles.Weights));

    private void Refused(VaeRecipe recipe, string message) => Assert.Contains(
        message, Assert.Throws<SettingException>(() => recipe.Validate(this)).Message, StringComparison.Ordinal);
}
