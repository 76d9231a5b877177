using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Models.Versions;
using Serving.Tensors;
using Serving.Testing;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Classification;
using Serving.Training.Optimization;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Classification;

public sealed class ClassifierTrainerTests
{
    public static TheoryData<TrainingMethod> Methods => [.. Enum.GetValues<TrainingMethod>()];

    [Theory]
    [MemberData(nameof(Methods))]
    public void Run_LearnsTheTask(TrainingMethod method)
    {
        var seen = new Seen();
        var run = Train(Settings(method), seen);

        Assert.Equal(run.TotalSteps, seen.Steps[^1].Step);
        Assert.Equal(
            Enumerable.Range(1, seen.Steps.Count).Select(step => (long)step), seen.Steps.Select(step => step.Step));
        var least = method == TrainingMethod.HeadOnly ? 0.4 : 0.8; // Of three labels.
        Assert.InRange(run.State.Best!.Accuracy, least, 1);
        Assert.Equal(
            seen.Evaluations.Where(evaluation => evaluation.IsBest).Max(evaluation => evaluation.Metrics["accuracy"]),
            run.State.Best.Accuracy);
        Assert.Equal(method == TrainingMethod.Finetune, run.DigestBefore != run.Digest);
        Assert.Equal(method == TrainingMethod.Mask ? 19 : 0, run.Masks.Count);
    }

    /// <summary>What does not come through the pooler neither masks nor trains it.</summary>
    [Theory]
    [InlineData(TrainingMethod.Mask, Pooling.Cls)]
    [InlineData(TrainingMethod.Mask, Pooling.Mean)]
    [InlineData(TrainingMethod.Finetune, Pooling.Mean)]
    [InlineData(TrainingMethod.HeadOnly, Pooling.Mean)]
    public void Run_WithoutThePooler_LearnsTheTask_AndLeavesThePooler(TrainingMethod method, Pooling pooling)
    {
        using var backend = Small.Backend();
        using var weights = Small.Model(backend);
        using var trainer = new ClassifierTrainer(
            backend, Small.Config, weights, Data(), Settings(method) with { Pooling = pooling });

        var state = trainer.Run(new Seen(), null, CancellationToken.None);

        Assert.Equal(pooling, trainer.Pooling);
        Assert.InRange(state.Best!.Accuracy, method == TrainingMethod.HeadOnly ? 0.4 : 0.8, 1);
        Assert.Equal(method == TrainingMethod.Mask ? 18 : 0, trainer.Masks().Count);
        var (before, after) = (new float[24 * 24], new float[24 * 24]);
        weights.Read(BertTensors.PoolerWeight, 24, 24, 0, before);
        trainer.Model.Read(BertTensors.PoolerWeight, 24, 24, 0, after);
        Assert.Equal(before, after);
    }

    [Fact]
    public void Pooling_OfAModelWithoutAPooler_IsTheMean_UnlessItIsChosen()
    {
        var settings = Settings(TrainingMethod.Mask);
        var without = Small.Config with { HasPooler = false };
        Assert.Equal(Pooling.Pooler, settings.PoolingOf(Small.Config));
        Assert.Equal(Pooling.Mean, settings.PoolingOf(without));
        Assert.Equal(Pooling.Cls, (settings with { Pooling = Pooling.Cls }).PoolingOf(without));
        var refused = Assert.Throws<SettingException>(
            () => (settings with { Pooling = Pooling.Pooler }).PoolingOf(without));
        Assert.Equal("pooling", refused.Setting);
        Assert.Contains("saved without its pooler; choose cls or mean", refused.Message);
    }

    [Fact]
    public void Run_WhoseScoresMoveTooFast_TakesAllForOneLabel_AndSaysSo()
    {
        var seen = new Seen();
        Train(Settings(TrainingMethod.Mask) with { LearningRate = 1, HeadLearningRate = 1e-3f, Epochs = 6 }, seen);

        var (step, message) = seen.Warnings[^1];
        Assert.Equal(0, seen.Evaluations.Single(evaluation => evaluation.Step == step).Metrics["matthews"]);
        Assert.Matches("^All 60 rows that are judged by are taken for '(zero|one|two)'. If", message);
        Assert.Contains("lower the learning rate", message);

        var learns = new Seen();
        Train(Settings(TrainingMethod.Mask), learns);
        Assert.DoesNotContain(learns.Warnings, warning => warning.Step == learns.Steps[^1].Step);
    }

    /// <summary>Interrupted and resumed repeatedly, wherever the checkpoints were: the same bits at the end.</summary>
    [Theory]
    [MemberData(nameof(Methods))]
    public void Run_InterruptedAndResumed_EndsWithTheSameBits(TrainingMethod method)
    {
        var settings = Settings(method) with { Epochs = 4, CheckpointInterval = 3 };
        var whole = Train(settings, new());
        using var folder = new TemporaryFolder();
        Run? resumed = null;
        for (var stop = 2; resumed is null; stop += 5)
        {
            using var cancellation = new CancellationTokenSource();
            var seen = new Seen { OnStep = step => CancelAt(step, stop, cancellation) };
            try
            {
                resumed = Train(settings, seen, folder.Path, cancellation.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(stop, seen.Steps[^1].Step); // Within the step in which it was asked for.
            }
        }

        Assert.Equal(whole.Digest, resumed.Digest);
        Assert.Equal(whole.Head.Weight, resumed.Head.Weight);
        Assert.Equal(whole.Head.Bias, resumed.Head.Bias);
        Assert.Equal(whole.Masks, resumed.Masks);
        Assert.Equal(
            (whole.State.BestStep, whole.State.Best!.Loss), (resumed.State.BestStep, resumed.State.Best!.Loss));
        Assert.Single(Directory.GetDirectories(folder.Path));

        static void CancelAt(long step, int stop, CancellationTokenSource cancellation)
        {
            if (step == stop)
                cancellation.Cancel();
        }
    }

    [Theory]
    [InlineData(0.05, 0.3)]
    [InlineData(0.05, 0.6)]
    [InlineData(0.4, 0.1)]
    public void Run_FinalSparsity_IsReached(double initial, double final)
    {
        var settings = Settings(TrainingMethod.Mask) with
        {
            Mask = new() { InitialSparsity = initial, FinalSparsity = final }
        };
        var seen = new Seen();
        var run = Train(settings, seen);

        Assert.InRange(Sparsity(run), final - 0.015, final + 0.015);
        Assert.True(run.State.BestStep >= 0.8 * run.TotalSteps);
        Assert.InRange(run.State.Best!.Accuracy, 0.7, 1);
        Assert.InRange(seen.Evaluations[^1].Metrics["sparsity"], final - 0.015, final + 0.015);
        Assert.InRange(Math.Abs(Sparsity(Train(Settings(TrainingMethod.Mask), new())) - final), 0.04, 1);
    }

    [Fact]
    public void Run_FinalSparsity_InterruptedAndResumed_EndsWithTheSameBits()
    {
        var settings = Settings(TrainingMethod.Mask) with
        {
            Epochs = 4,
            CheckpointInterval = 3,
            Mask = new() { FinalSparsity = 0.3 }
        };
        var whole = Train(settings, new());
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        var first = new Seen
        {
            OnStep = step =>
            {
                if (step == 17)
                    cancellation.Cancel();
            }
        };
        Assert.Throws<OperationCanceledException>(() => Train(settings, first, folder.Path, cancellation.Token));
        var resumed = Train(settings, new(), folder.Path);
        Assert.Equal(whole.Masks, resumed.Masks);
        Assert.Equal(whole.Head.Weight, resumed.Head.Weight);
        Assert.Equal(whole.State.Sparsity, resumed.State.Sparsity);
        Assert.True(whole.State.Sparsity!.Multiplier > 0);
    }

    /// <summary>What a task pack of the result says when it is served is what the trainer measured.</summary>
    [Fact]
    public void Run_Mask_ServedLogitsAreThoseEvaluated()
    {
        using var backend = Small.Backend();
        using var weights = Small.Model(backend);
        var data = Data();
        using var trainer = new ClassifierTrainer(backend, Small.Config, weights, data, Settings(TrainingMethod.Mask));
        var state = trainer.Run(new Seen(), null, CancellationToken.None);
        using var folder = new TemporaryFolder();
        using var encoder = BertEncoder.Load(backend, Small.Config, weights);
        var version = Write(folder.Path, encoder.Digest, trainer);
        using var pack = VersionFiles.Open(Path.Combine(folder.Path, version));
        using var task = LoadedVersion.Load(backend, encoder, pack);

        var (weight, bias) = pack.ReadHead(Small.Config.Hidden);
        using var weightTensor = backend.Allocate(Small.Labels, Small.Config.Hidden);
        using var biasTensor = backend.Allocate(1, Small.Labels);
        weightTensor.CopyFrom(weight);
        biasTensor.CopyFrom(bias);
        var logits = ClassifierEvaluator.Logits(
            backend, encoder, task.Masks, task.Pooling, weightTensor, biasTensor, data.Validation,
            CancellationToken.None);
        var report = ClassifierEvaluator.Report(data, logits, data.Validation);

        Assert.Equal(state.Best!.Loss, report.Loss);
        Assert.Equal(state.Best.Confusion, report.Confusion);
    }

    [Fact]
    public void Run_LossThatIsNoNumber_StopsAtOnce()
    {
        using var backend = Small.Backend();
        using var weights = Small.Model(backend);
        var broken = new OneNotANumber(weights);
        using var trainer = new ClassifierTrainer(
            backend, Small.Config, broken, Data(), Settings(TrainingMethod.Finetune));
        var diverged = Assert.Throws<DivergedException>(() => trainer.Run(new Seen(), null, CancellationToken.None));
        Assert.Matches(
            @"^The loss is NaN at step 1\. Its batch: examples \d+(, \d+)*\. "
            + @"The largest gradients: .+ \(norm NaN\)\. "
            + @"Weights that are not finite, in 1 tensors: [\w.]*pooler\.dense\.weight\. "
            + @"No step was made before, so it is not the learning rate: look at these rows and at the model\.$",
            diverged.Message);
    }

    [Fact]
    public void Run_WithoutABetterEvaluation_StopsEarly()
    {
        var seen = new Seen();
        var run = Train(
            Settings(TrainingMethod.HeadOnly) with { LearningRate = 1e-20f, Patience = 2, Epochs = 50 }, seen);
        Assert.Equal(3, seen.Evaluations.Count); // The first is the best, two are equal to it.
        Assert.Equal(3 * run.TotalSteps / 50, run.State.Step);
    }

    [Fact]
    public void Run_Regression_LearnsNumbers()
    {
        using var backend = Small.Backend();
        using var weights = Small.Model(backend);
        List<ClassifierExample> examples = [.. Small.Examples(160, seed: 11).Select(
            example => new ClassifierExample(example.Sequence, 0, example.Label))];
        using var trainer = new ClassifierTrainer(
            backend, Small.Config, weights, new([], examples[..120], examples[120..]),
            Settings(TrainingMethod.Finetune));
        var state = trainer.Run(new Seen(), null, CancellationToken.None);
        Assert.InRange(state.Best!.Pearson, 0.8, 1);
        Assert.Equal(state.Best.Pearson, state.Best.Metric);
    }

    [Fact]
    public void Create_BadSettingsOrData_AreRefused()
    {
        var settings = Settings(TrainingMethod.Mask);
        Refused("epochs: It is 0; it must be 1 to 1000.", settings with { Epochs = 0 }, Data());
        Refused(
            "learning_rate: It is NaN; it must be above 0, at most 1.", settings with { LearningRate = float.NaN },
            Data());
        Refused("dropout: It is 1; it must be 0 to below 1.", settings with { Dropout = 1 }, Data());
        Refused(
            "mask.layers: Layer 9 is to be masked; the model has layers 0 to 2.",
            settings with { Mask = new() { Layers = [9] } }, Data());
        Refused("warm_up: It is 1.5; it must be 0 to 1.", settings with { WarmUp = 1.5 }, Data());
        Refused(
            "mask.final_sparsity: It is 1; it must be 0 to below 1.",
            settings with { Mask = new() { FinalSparsity = 1 } }, Data());
        Refused(
            "mask.sparsity_rate: It is 0; it must be above 0, at most 1000.",
            settings with { Mask = new() { FinalSparsity = 0.3, SparsityRate = 0 } }, Data());
        Refused(
            "mask.sparsity_rate: It says nothing without final_sparsity; give that too, or leave this out.",
            settings with { Mask = new() { SparsityRate = 1 } }, Data());
        var data = Data();
        Refused(
            "There are 0 examples to learn from and 60 to judge by; at least one of each is needed.", settings,
            data with { Train = [] });
        Refused(
            "All examples to learn from are 'one'; at least two labels are needed.",
            settings,
            data with { Train = [.. data.Train.Where(example => example.Label == 1)] });
        Refused(
            "Labels that come only in validation: two. Give examples to learn them from.",
            settings,
            data with { Train = [.. data.Train.Where(example => example.Label != 2)] });

        static void Refused(string message, ClassifierSettings settings, ClassifierData data)
        {
            using var backend = Small.Backend();
            using var weights = Small.Model(backend);
            var before = backend.AllocatedBytes;
            Assert.Equal(
                message, Assert.ThrowsAny<ArgumentException>(() => new ClassifierTrainer(
                    backend, Small.Config, weights, data, settings)).Message);
            Assert.Equal(before, backend.AllocatedBytes);
        }
    }

    /// <summary>Of the best masks.</summary>
    private static double Sparsity(Run run) => 1 - (run.Masks.Values.Sum(bits => (double)BitMask.PopCount(bits))
        / BertTensors.Maskable(Small.Config).Sum(matrix => matrix.Rows * matrix.Columns));

    private static ClassifierSettings Settings(TrainingMethod method) => new()
    {
        Method = method,
        LearningRate = method switch
        {
            TrainingMethod.Mask => 0.03f,
            TrainingMethod.HeadOnly => 0.3f,
            _ => 0.003f
        },
        Epochs = method == TrainingMethod.Mask ? 30 : 12,
        BatchSize = 24,
        Dropout = 0.05f,
        Seed = 5
    };

    private static ClassifierData Data()
    {
        List<ClassifierExample> examples = [.. Small.Examples(220, seed: 11).Select(
            example => new ClassifierExample(example.Sequence, example.Label))];
        return new(["zero", "one", "two"], examples[..160], examples[160..]);
    }

    private static Run Train(
        ClassifierSettings settings, Seen seen, string? checkpoints = null, CancellationToken cancelled = default)
    {
        using var backend = Small.Backend();
        using var weights = Small.Model(backend);
        using var trainer = new ClassifierTrainer(backend, Small.Config, weights, Data(), settings);
        var before = Digest(backend, trainer.Model);
        var state = trainer.Run(seen, checkpoints is null ? null : new(checkpoints), cancelled);
        return new(trainer.TotalSteps, state, before, Digest(backend, trainer.Model), trainer.Masks(), trainer.Head());
    }

    private static string Digest(TensorBackend backend, BertModel model)
    {
        using var encoder = BertEncoder.Load(backend, model.Config, model);
        return encoder.Digest;
    }

    private static string Write(string parent, string backbone, ClassifierTrainer trainer)
    {
        var writer = new VersionWriter();
        foreach (var (name, rows, columns) in BertTensors.Maskable(Small.Config))
            writer.AddMask(name, rows, columns, trainer.Masks()[name]);
        var (weight, bias) = trainer.Head();
        writer.SetHead(weight, bias);
        return writer.Write(parent, new()
        {
            Format = VersionManifest.CurrentFormat,
            Labels = ["zero", "one", "two"],
            Inputs = TextInputs.Text,
            Backbone = backbone,
            Kept = new Dictionary<string, long>(),
            Files = new Dictionary<string, string>()
        });
    }

    private sealed record Run(
        long TotalSteps,
        ClassifierState State,
        string DigestBefore,
        string Digest,
        IReadOnlyDictionary<string, byte[]> Masks,
        (float[] Weight, float[] Bias) Head);

    private sealed class Seen : ITrainingObserver
    {
        public List<TrainingProgress> Steps { get; } = [];

        public List<(long Step, IReadOnlyDictionary<string, double> Metrics, bool IsBest)> Evaluations { get; } = [];

        public Action<long> OnStep { get; init; } = _ => { };

        public void Stepped(TrainingProgress progress)
        {
            Steps.Add(progress);
            OnStep(progress.Step);
        }

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest) =>
            Evaluations.Add((step, metrics, isBest));

        public List<(long Step, string Message)> Warnings { get; } = [];

        public void Warned(long step, string message) => Warnings.Add((step, message));
    }

    private sealed class OneNotANumber(IParameterSource inner) : IParameterSource
    {
        public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
        {
            inner.Read(name, rows, columns, firstRow, values);
            if (name == BertTensors.PoolerWeight)
                values[0] = float.NaN;
        }
    }
}
