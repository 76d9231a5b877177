using System.Text.Json;
using System.Xml.Linq;
using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Versions;
using Serving.Training.Bert;
using Serving.Training.Classification;
using Serving.Training.Pruning;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Recipes;

public sealed class PruningRecipeTests : RecipeFixture
{
    /// <summary>2 layers of 12 h² weights, and the pooler's h², h = 32.</summary>
    private const int Prunable = (2 * 12 * 32 * 32) + (32 * 32);

    private static PruningRecipe Pruning => new()
    {
        Base = Classifier(TrainingMethod.Finetune, epochs: 4) with { ValidationDataset = "tone-dev" },
        Sparsity = 0.6,
        Rounds = 3,
        Seeds = [4]
    };

    [Fact]
    public void Iterative_PrunesWhatTrainingLeavesSmall_AndTheTicketIsServed()
    {
        var result = Run("job", Pruning with
        {
            Controls = Enum.GetValues<PruningControl>(),
            Seeds = [4, 5]
        });

        // 25,600 weights, a fifth in each round.
        var masks = Masks(4);
        Assert.Equal([20_480L, 15_360, 10_240], masks.Select(mask => mask.Kept));
        for (var round = 1; round < masks.Count; round++)
            Assert.True(IsWithin(masks[round], masks[round - 1]));
        AssertRanked(masks);

        using var pack = VersionFiles.Open(result.TaskVersion!, Path.GetFileName(result.TaskVersion));
        Assert.Equal(Prunable - 15_360, pack.Manifest.Kept.Values.Sum());
        Assert.Equal(
            new TicketOrigin(new BertFolder(ModelFolder("backbone")).ReadDigest().Weights, 0), pack.Manifest.Ticket);
        using var encoder = new BertFolder(result.Model!).LoadEncoder(Backend);
        using var task = LoadedVersion.Load(Backend, encoder, pack);
        Assert.Equal(0, task.Masks.Bytes);
        Assert.InRange(result.Metrics["accuracy"], 0.9, 1);
        Assert.Equal(0.6, result.Metrics["sparsity"], 9);
        Assert.InRange(result.Metrics["kappa"], 0.1, 1); // They rank weights of one backbone.

        // Served as a model with zeros, it answers as it did when it was judged under its masks.
        var evaluation = Run("again", new EvaluationRecipe
        {
            Task = new("job", pack.Version, "job"),
            Dataset = "tone-dev",
            MaxTokens = 32
        });
        Assert.Equal(result.Metrics["loss"], evaluation.Metrics["loss"]);

        var report = Json("job", "pruning.json");
        Assert.Equal(4, report.GetProperty("rounds").GetArrayLength());
        Assert.Equal(5, report.GetProperty("controls").GetArrayLength());
        foreach (var training in report.GetProperty("trainings").EnumerateArray().Where(each =>
            !each.GetProperty("name").GetString()!.StartsWith("round", StringComparison.Ordinal)))
            Assert.Equal(10_240, training.GetProperty("kept").GetInt64());
        Assert.Contains("random mask", Svg("job", "sparsity.svg"), StringComparison.Ordinal);
        Assert.Contains("layer 1", Svg("job", "kept.svg"), StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(JobFolder("job"), "artifacts", "masks", "seed-5.safetensors")));
    }

    /// <summary>
    /// The ticket is what training from the backbone's own weights makes of its masks, to the bit: all others, the
    /// optimizer's moments, the rate and the head begin anew.
    /// </summary>
    [Theory]
    [InlineData(PruningMethod.Iterative)]
    [InlineData(PruningMethod.OneShot)]
    [InlineData(PruningMethod.Random)]
    public void Ticket_IsTrainedFromTheBackbone_AsIfThereHadBeenNoRounds(PruningMethod method)
    {
        var recipe = Pruning with { Method = method };
        var result = Run("job", recipe);
        var masks = Masks(4)[^1];

        using var files = new BertFolder(ModelFolder("backbone")).OpenWeights();
        var report = Json("job", "pruning.json").GetProperty("trainings").EnumerateArray().Last();
        using var trainer = Trainer(recipe.Base.Settings with
        {
            Seed = report.GetProperty("training_seed").GetUInt64()
        }, new CheckpointParameters(files), new() { Masks = masks });
        trainer.Run(new Silent(), checkpoints: null, CancellationToken.None);

        using var written = new BertFolder(result.Model!).OpenWeights();
        var (expected, found) = (new MaskedParameters(trainer.Model, masks), new CheckpointParameters(written));
        foreach (var (name, rows, columns) in trainer.Model.Tensors())
        {
            var (a, b) = (new float[rows * columns], new float[rows * columns]);
            expected.Read(name, rows, columns, 0, a);
            found.Read(name, rows, columns, 0, b);
            Assert.True(a.SequenceEqual(b), name);
        }
    }

    /// <summary>What is dropped is not trained: without weight decay its hidden copy stays, to the bit.</summary>
    [Fact]
    public void Training_UnderMasks_LeavesWhatTheyDrop()
    {
        var config = new BertFolder(ModelFolder("backbone")).LoadConfig();
        var masks = WeightSelection.Prune(
            WeightMasks.AllKept(WeightMasks.Prunable(config, Pooling.Pooler)), 9000, WeightOrders.Random(seed: 1));
        using var files = new BertFolder(ModelFolder("backbone")).OpenWeights();
        var start = new CheckpointParameters(files);
        using var trainer = Trainer(
            Pruning.Base.Settings with { Adam = new() { WeightDecay = 0 } }, start, new() { Masks = masks });
        trainer.Run(new Silent(), checkpoints: null, CancellationToken.None);
        var (moved, stayed) = (0, 0);
        foreach (var (name, rows, columns) in masks.Tensors)
        {
            var (before, after) = (new float[rows * columns], new float[rows * columns]);
            start.Read(name, rows, columns, 0, before);
            trainer.Model.Read(name, rows, columns, 0, after);
            for (var i = 0; i < before.Length; i++)
            {
                if (BitMask.Keeps(masks.ReadMask(name), i))
                    moved += before[i] != after[i] ? 1 : 0;
                else
                    stayed += before[i] == after[i] ? 1 : 0;
            }
        }

        Assert.Equal(9000, stayed);
        Assert.InRange(moved, 15_000, Prunable - 9000);
    }

    [Theory]
    [InlineData(PruningMethod.Iterative, 0, false)]
    [InlineData(PruningMethod.Iterative, 0.25, true)]
    [InlineData(PruningMethod.Standard, 0, true)]
    public void Job_ThatIsKilledAgainAndAgain_EndsWithTheSameBits(PruningMethod method, double rewind, bool keepsHead)
    {
        var recipe = Pruning with
        {
            Base = Pruning.Base with { Settings = Pruning.Base.Settings with { CheckpointInterval = 7, Epochs = 2 } },
            Method = method,
            Rewind = rewind,
            KeepHead = keepsHead,
            Rounds = 2,
            Controls = [PruningControl.RandomMask]
        };
        var expected = Run("job", recipe);
        var masks = Masks(4);
        Directory.Delete(JobFolder("job"), recursive: true);

        RecipeResult? found = null;
        for (var kills = 0; found is null; kills++)
        {
            var (steps, at) = (0, 9 + (5 * kills)); // Later each time, so that it ends.
            try
            {
                found = recipe.Run(Context("job", () =>
                {
                    if (++steps == at)
                        throw new OperationCanceledException();
                }));
            }
            catch (OperationCanceledException)
            {
                Assert.InRange(kills, 0, 30);
            }
        }

        Assert.Equal(Path.GetFileName(expected.TaskVersion), Path.GetFileName(found.TaskVersion));
        Assert.All(masks.Zip(Masks(4)), pair => Assert.Equal(0, MaskAgreement.Dissimilarity(pair.First, pair.Second)));
    }

    [Fact]
    public void Rewind_StartsFromAStepOfTheFirstTraining_AndStandardFromTheLast()
    {
        var plain = Run("plain", Pruning);
        var rewound = Run("job", Pruning with { Rewind = 0.25 });
        using var pack = VersionFiles.Open(rewound.TaskVersion!, null);
        // 160 examples of 16 are 10 steps, 40 in 4 epochs: a quarter are 10.
        Assert.Equal(10, pack.Manifest.Ticket!.Step);

        using var files = new BertFolder(ModelFolder("backbone")).OpenWeights();
        using var trainer = Trainer(
            Pruning.Base.Settings with { Seed = 4, EvaluationInterval = int.MaxValue },
            new CheckpointParameters(files), new() { StopAfter = 10 });
        trainer.Run(new Silent(), checkpoints: null, CancellationToken.None);
        using var start =
            new BertFolder(Path.Combine(JobFolder("job"), "checkpoints", "seed-4", "start")).OpenWeights();
        var found = new CheckpointParameters(start);
        foreach (var (name, rows, columns) in trainer.Model.Tensors())
        {
            var (a, b) = (new float[rows * columns], new float[rows * columns]);
            trainer.Model.Read(name, rows, columns, 0, a);
            found.Read(name, rows, columns, 0, b);
            Assert.True(a.SequenceEqual(b), name);
        }

        var standard = Run("standard", Pruning with { Method = PruningMethod.Standard });
        RecipeResult[] all = [plain, rewound, standard];
        Assert.Equal(3, all.Select(each => Path.GetFileName(each.TaskVersion)).Distinct().Count());
        Assert.InRange(standard.Metrics["accuracy"], 0.9, 1);
    }

    [Fact]
    public void Transfer_TakesTheMasksOfATicket_OrOfATaskThatLearnedMasks()
    {
        var first = Run("first", Pruning);
        var source = new VersionInput("first", Path.GetFileName(first.TaskVersion)!, "first");
        var recipe = Pruning with { Method = PruningMethod.Transfer, Source = source, Seeds = [8] };
        var result = Run("job", recipe);
        using (var a = VersionFiles.Open(first.TaskVersion!, null))
        {
            using var b = VersionFiles.Open(result.TaskVersion!, null);
            Assert.Equal(0, MaskDistance.Between(a, b).Total);
            Assert.Equal(a.Manifest.MaskedWeights, b.Manifest.MaskedWeights);
        }

        Assert.Equal(0.6, result.Metrics["sparsity"], 9);
        var learned = Run("learned", Classifier(TrainingMethod.Mask, epochs: 1));
        (recipe with { Source = new("learned", Path.GetFileName(learned.TaskVersion)!, "backbone") }).Validate(this);
    }

    [Fact]
    public void Recipe_ThatCannotBe_IsRefusedBeforeAnythingIsTrained()
    {
        Refused("sparsity: It is 1; it must be above 0 and below 1.", Pruning with { Sparsity = 1 });
        Refused("come to a sparsity of 0.1500, and 0.6 is asked for; 12 rounds do", Pruning with { Rate = 0.05 });
        Refused("base: A ticket is trained by all", Pruning with { Base = Classifier(TrainingMethod.Mask) });
        Refused("seeds: It is a list of 2, 1 of them different", Pruning with { Seeds = [1, 1] });
        Run("flat", Pretraining with { Layers = 1, Settings = Pretraining.Settings with { Steps = 1 } });
        Refused("controls: 'flat' has one layer, which has no other order", Pruning with
        {
            Base = Pruning.Base with { Model = "flat" },
            Controls = [PruningControl.ShuffledLayers]
        });
        Refused("source: A transfer needs", Pruning with { Method = PruningMethod.Transfer });
        Refused(
            "rounds: It is 1016 trainings",
            Pruning with { Seeds = [.. Enumerable.Range(0, 254).Select(seed => (ulong)seed)] });

        var tuned = Run("tuned", Classifier(TrainingMethod.Finetune, epochs: 1));
        var other = new VersionInput("tuned", Path.GetFileName(tuned.TaskVersion)!, "tuned");
        Refused("source: It says nothing without the method transfer", Pruning with { Source = other });
        var transfer = Pruning with { Method = PruningMethod.Transfer };
        Refused("over another backbone than 'backbone'", transfer with { Source = other });
        var masked = Classifier(TrainingMethod.Mask, epochs: 1);
        var part = Run("part", masked with
        {
            Settings = masked.Settings with { Mask = new() { MasksPooler = false } }
        });
        Refused(
            "masks other matrices than are pruned here: it lacks pooler.dense.weight.",
            transfer with { Source = new("part", Path.GetFileName(part.TaskVersion)!, "backbone") });

        void Refused(string message, Recipe bad) => Assert.Contains(
            message, Assert.Throws<SettingException>(() => bad.Validate(this)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Recipe_IsStoredWithoutLoss()
    {
        var recipe = Pruning with { Source = new("t", "v", "m"), Controls = [PruningControl.OneShot], Rate = 0.3 };
        Assert.Equal(recipe.ToJson(), Recipe.Parse(recipe.ToJson()).ToJson());
        Assert.Contains("\"one_shot\"", recipe.ToJson(), StringComparison.Ordinal);
    }

    /// <summary>What the first round prunes is no larger than what it leaves, in the weights that it trained.</summary>
    private void AssertRanked(List<WeightMasks> masks)
    {
        using var files = new BertFolder(ModelFolder("backbone")).OpenWeights();
        using var trainer = Trainer(
            Pruning.Base.Settings with { Seed = 4, EvaluationInterval = int.MaxValue },
            new CheckpointParameters(files), new());
        trainer.Run(new Silent(), checkpoints: null, CancellationToken.None);
        var (largestPruned, smallestKept) = (0f, float.MaxValue);
        foreach (var (name, rows, columns) in masks[0].Tensors)
        {
            var values = new float[rows * columns];
            trainer.Model.Read(name, rows, columns, 0, values);
            for (var i = 0; i < values.Length; i++)
            {
                if (BitMask.Keeps(masks[0].ReadMask(name), i))
                    smallestKept = Math.Min(smallestKept, Math.Abs(values[i]));
                else
                    largestPruned = Math.Max(largestPruned, Math.Abs(values[i]));
            }
        }

        Assert.InRange(largestPruned, 1e-6, smallestKept);
    }

    private ClassifierTrainer Trainer(
        ClassifierSettings settings, CheckpointParameters weights, ClassifierStart start)
    {
        var folder = new BertFolder(ModelFolder("backbone"));
        var (train, validation) = Pruning.Base.Rows(this);
        return new(
            Backend, folder.LoadConfig(), weights, Pruning.Base.Data(folder.LoadTokenizer(), train, validation),
            settings, start);
    }

    private List<WeightMasks> Masks(ulong seed)
    {
        var folder = Path.Combine(JobFolder("job"), "checkpoints", $"seed-{seed}");
        var tensors = WeightMasks.Prunable(new BertFolder(ModelFolder("backbone")).LoadConfig(), Pooling.Pooler);
        return
        [
            .. Enumerable.Range(1, 100).Select(round => Path.Combine(folder, $"masks-{round}.safetensors"))
                .TakeWhile(File.Exists).Select(path => WeightMasks.Read(path, tensors))
        ];
    }

    private static bool IsWithin(WeightMasks inner, WeightMasks outer) => inner.Tensors.All(tensor =>
        inner.ReadMask(tensor.Name).ToArray().Zip(outer.ReadMask(tensor.Name).ToArray())
            .All(bytes => (bytes.First & ~bytes.Second) == 0));

    private JsonElement Json(string job, string name) => JsonDocument.Parse(
        File.ReadAllText(Path.Combine(JobFolder(job), "artifacts", name))).RootElement;

    private string Svg(string job, string name) =>
        XDocument.Load(Path.Combine(JobFolder(job), "artifacts", name)).Root!.Value;

    private sealed class Silent : ITrainingObserver
    {
        public void Stepped(TrainingProgress progress)
        {
        }

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest)
        {
        }
    }
}
