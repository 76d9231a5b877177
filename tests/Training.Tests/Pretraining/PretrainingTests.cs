using System.Text.Json;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Testing;
using Serving.Text;
using Serving.Text.Bert;
using Serving.Training.Bert;
using Serving.Training.Optimization;
using Serving.Training.Pretraining;

namespace Serving.Training.Tests.Pretraining;

public sealed class PretrainingTests
{
    private static readonly Vocabulary Words = new(
    [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
        .. Enumerable.Range(0, 35).Select(i => $"w{(char)('a' + (i % 26))}{i / 26}")
    ]);

    [Fact]
    public void Hide_HidesFifteenPercent_AsMaskRandomOrUnchanged()
    {
        var masker = new TokenMasker(Words);
        int[] span = [.. Enumerable.Range(0, 100).Select(i => 5 + (i % 35))];
        int[] all = [.. Enumerable.Range(0, 100)];
        var counts = new int[3]; // [MASK], another token, unchanged
        var places = new int[100];
        const int runs = 2000;
        for (var key = 0UL; key < runs; key++)
        {
            int[] ids = [.. span];
            var (positions, labels) = masker.Hide(ids, all, of: 100, key);
            Assert.Equal(15, positions.Length);
            Assert.Equal(positions.Order().Distinct(), positions);
            for (var i = 0; i < 15; i++)
            {
                var (position, id) = (positions[i], ids[positions[i]]);
                Assert.Equal(span[position], labels[i]);
                Assert.InRange(id, 4, 39);
                counts[id == 4 ? 0 : id == labels[i] ? 2 : 1]++;
                places[position]++;
            }

            Assert.All(all.Except(positions), at => Assert.Equal(span[at], ids[at]));
        }

        // A random token is the right one once in 35. Chi-square at a risk of 1e-4: 18.4 for 2, 166 for 99 degrees of
        // freedom.
        var total = 15.0 * runs;
        Assert.True(ChiSquare(counts, [0.8 * total, 0.1 * total * 34 / 35, (0.1 + (0.1 / 35)) * total]) < 18.4);
        Assert.True(ChiSquare(places, [.. Enumerable.Repeat(total / 100, 100)]) < 166);
    }

    [Fact]
    public void Hide_FewTokens_HidesOne_AndNoneWhereNoneMayBe()
    {
        int[] ids = [7, 8];
        var (positions, labels) = new TokenMasker(Words).Hide(ids, [1], of: 2, key: 3);
        Assert.Equal((1, 8), (positions.Single(), labels.Single()));
        Assert.Empty(new TokenMasker(Words).Hide(ids, [], of: 2, key: 3).Positions);
    }

    [Fact]
    public void Run_LearnsToLookAtOtherTokens()
    {
        var seen = new List<IReadOnlyDictionary<string, double>>();
        var (state, _) = Train(Settings, new Observer { OnEvaluated = seen.Add });
        Assert.Equal(3, seen.Count);
        Assert.InRange(seen[0]["loss"], 1, 4.5);
        Assert.True(state.Metrics["masked_accuracy"] > 0.5, $"{state}"); // By chance it would be 0.03.
        Assert.True(state.Metrics["loss"] < seen[0]["loss"]);
    }

    [Fact]
    public void Run_InterruptedAndResumed_EndsWithTheSameBits()
    {
        var settings = Settings with { Steps = 20, CheckpointInterval = 3 };
        var whole = Bits(Train(settings, new()));
        using var folder = new TemporaryFolder();
        (string, string)? resumed = null;
        for (var stop = 2; resumed is null; stop += 6)
        {
            using var cancellation = new CancellationTokenSource();
            try
            {
                resumed = Bits(Train(
                    settings, new() { OnStep = step => CancelAt(step, stop, cancellation) }, folder.Path,
                    cancellation.Token));
            }
            catch (OperationCanceledException)
            {
                continue;
            }
        }

        Assert.Equal(whole, resumed.Value);

        static (string, string) Bits((PretrainingState State, string Digest) result) =>
            (JsonSerializer.Serialize(result.State), result.Digest);

        static void CancelAt(long step, int stop, CancellationTokenSource cancellation)
        {
            if (step == stop)
                cancellation.Cancel();
        }
    }

    /// <summary>What is written is what an encoder loads, in float32 to the bit, in bfloat16 rounded.</summary>
    [Fact]
    public void WrittenFolder_IsLoadedAgain()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var folder = new TemporaryFolder();
        using var original = BertEncoder.Load(backend, model.Config, model);
        var tokenizer = new BertTokenizer(Words, lowercase: false);
        foreach (var format in new[] { WeightFormat.Float32, WeightFormat.BFloat16 })
        {
            var path = Path.Combine(folder.Path, format.ToString());
            BertFolderWriter.Write(path, model.Config, tokenizer, model.Tensors(), model, format);
            var read = new BertFolder(path);
            using var encoder = read.LoadEncoder(backend);
            Assert.Equal(format == WeightFormat.Float32, original.Digest == encoder.Digest);
            Assert.Equal(model.Config, encoder.Config);
            Assert.Equal(Words.Tokens, read.LoadTokenizer().Vocabulary.Tokens);
            Assert.False(read.LoadTokenizer().IsLowercase);
            Assert.Throws<IOException>(
                () => BertFolderWriter.Write(path, model.Config, tokenizer, model.Tensors(), model));
        }
    }

    /// <summary>A step takes a second; interrupted after the fifth, training goes on where time stood.</summary>
    [Fact]
    public void Budget_EndsWithIt_AndGoesOnWhereTimeStood()
    {
        using var folder = new TemporaryFolder();
        var clock = new TickingClock();
        var settings = Settings with
        {
            Steps = 1000,
            Budget = TimeSpan.FromSeconds(12),
            WarmUp = 0.25,
            EvaluationInterval = 0,
            CheckpointInterval = 1
        };
        using var interrupt = new CancellationTokenSource();
        var (rates, totals) = (new List<float>(), new List<long>());
        var observer = new Observer
        {
            OnProgress = progress =>
            {
                rates.Add(progress.LearningRate);
                totals.Add(progress.TotalSteps);
                if (progress.Step == 5)
                    interrupt.Cancel();
            }
        };
        Assert.Throws<OperationCanceledException>(() => Train(settings, observer, folder.Path, interrupt.Token, clock));
        clock.Now += TimeSpan.FromHours(1).Ticks; // Nobody trained in that hour.
        var (state, _) = Train(settings, observer, folder.Path, time: clock);

        Assert.Equal((12, true), (state.Step, state.Metrics.ContainsKey("loss")));
        var schedule = new BudgetSchedule(settings.LearningRate, TimeSpan.FromSeconds(12), 0.25);
        Assert.Equal(Enumerable.Range(0, 12).Select(second => schedule.At(TimeSpan.FromSeconds(second))), rates);
        Assert.All(totals, total => Assert.Equal(12, total));
    }

    [Fact]
    public void Loss_StillHighAfterAWhile_GivesUp()
    {
        var settings =
            Settings with { EvaluationInterval = 2, GiveUpAfter = TimeSpan.FromSeconds(3), GiveUpLoss = 0.01 };
        var given = Assert.Throws<DivergedException>(() => Train(settings, new(), time: new TickingClock()));
        Assert.Matches(@"^After 00:00:04 the loss is \d\.\d{3}, still above 0\.01\. ", given.Message);
    }

    private static PretrainingSettings Settings => new()
    {
        Steps = 240,
        BatchSize = 16,
        LearningRate = 0.005f,
        EvaluationInterval = 80,
        Dropout = 0.05f,
        Seed = 3
    };

    private static (PretrainingState State, string Digest) Train(
        PretrainingSettings settings, Observer observer, string? checkpoints = null,
        CancellationToken cancelled = default, TimeProvider? time = null)
    {
        using var backend = Small.Backend();
        var tokenizer = new BertTokenizer(Words);
        var config = Small.Config with { Vocab = Words.Count };
        using var corpus = new TextCorpus(Enumerable.Range(0, 300).Select(i => Document(14, i)), tokenizer);
        using var heldOut = new TextCorpus(Enumerable.Range(300, 40).Select(i => Document(14, i)), tokenizer);
        using var trainer = new PretrainingTrainer(
            backend, config, new InitialParameters(seed: 1), new(corpus.Value, Words, 16),
            new(heldOut.Value, Words, 16), settings, time);
        var state = trainer.Run(observer, checkpoints is null ? null : new(checkpoints), cancelled);
        using var encoder = BertEncoder.Load(backend, config, trainer.Model);
        return (state with { Elapsed = default }, encoder.Digest);
    }

    /// <summary>One word again and again: a hidden token is found by looking at any other.</summary>
    private static string Document(int words, int word) =>
        string.Join(' ', Enumerable.Repeat(Words[5 + (word % 35)], words));

    private static double ChiSquare(int[] counts, double[] expected) =>
        counts.Zip(expected, (count, mean) => (count - mean) * (count - mean) / mean).Sum();

    private sealed class Observer : ITrainingObserver
    {
        public Action<long> OnStep { get; init; } = _ => { };

        public Action<IReadOnlyDictionary<string, double>> OnEvaluated { get; init; } = _ => { };

        public Action<TrainingProgress> OnProgress { get; init; } = _ => { };

        public void Stepped(TrainingProgress progress)
        {
            OnStep(progress.Step);
            OnProgress(progress);
        }

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest) =>
            OnEvaluated(metrics);
    }

    /// <summary>Whenever somebody looks at it, a second has gone by.</summary>
    private sealed class TickingClock : TimeProvider
    {
        public long Now { get; set; }

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now += TimeSpan.TicksPerSecond;
    }
}
