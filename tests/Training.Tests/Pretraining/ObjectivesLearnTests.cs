using Serving.Models.Bert;
using Serving.Training.Bert;
using Serving.Training.Pretraining;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Pretraining;

/// <summary>Short trainings on stories: what can be learned is, and a control run learns from the same texts.</summary>
public sealed class ObjectivesLearnTests
{
    private const int Length = 32;

    /// <summary>Classes are predicted better than by the commonest one, numbers better than by their mean.</summary>
    [Theory]
    [InlineData(Objective.NextSentence)]
    [InlineData(Objective.AdjacentSentence)]
    [InlineData(Objective.SentenceOrder)]
    [InlineData(Objective.SentenceDistance)]
    [InlineData(Objective.SentenceCorruption)]
    [InlineData(Objective.TokenCorruption)]
    [InlineData(Objective.TermFrequency)]
    [InlineData(Objective.TermImportance)]
    [InlineData(Objective.QuickThoughts)]
    [InlineData(Objective.FastSent)]
    [InlineData(Objective.TrigramShuffling)]
    [InlineData(Objective.Capitalization)]
    [InlineData(Objective.TokenLength)]
    [InlineData(Objective.SpanBoundary)]
    public void Objective_BeatsItsBaseline(Objective objective)
    {
        // Few tokens of a text are shuffled.
        var steps = objective == Objective.TrigramShuffling ? 8000 : Settings.Steps;
        var (state, _) = Train(Settings with { Objectives = [objective], Steps = steps });
        var (metrics, name) = (state.Metrics, Objectives.Of(objective).Name);
        switch (Objectives.Of(objective).Predicts)
        {
            case Prediction.InputClass or Prediction.TokenClass:
                Assert.True(
                    metrics[$"{name}_accuracy"] > metrics[$"{name}_majority"] + 0.01, string.Join(' ', metrics));
                break;
            case Prediction.TokenNumber:
                Assert.True(metrics[$"{name}_r2"] > 0.1, string.Join(' ', metrics));
                break;
            case Prediction.Token:
                Assert.True(metrics[$"{name}_accuracy"] > 0.2, string.Join(' ', metrics));
                break;
            default: // Of 119 pairs none is told from another at first.
                Assert.True(
                    objective == Objective.QuickThoughts
                        ? metrics["qt_loss"] < Math.Log(119) - 0.4
                        : metrics["fs_cosine"] > 0.8, string.Join(' ', metrics));
                break;
        }
    }

    [Fact]
    public void Control_SeesTheSameTexts_AndLearnsMaskedLanguageModellingAlone()
    {
        var settings = Settings with { Steps = 6, Objectives = [Objective.SentenceOrder, Objective.TermFrequency] };
        List<TrainingProgress> seen = [], ofControl = [], plain = [];
        var (aux, _) = Train(settings, seen.Add);
        var (control, _) = Train(settings with { IsControl = true }, ofControl.Add);
        Train(settings with { Objectives = [] }, plain.Add);
        Assert.Equal(seen.Select(step => step.Tokens), ofControl.Select(step => step.Tokens));
        // Two segments have one [SEP] more.
        Assert.NotEqual(seen.Select(step => step.Tokens), plain.Select(step => step.Tokens));
        Assert.True(ofControl[0].Loss < seen[0].Loss - 0.5); // One loss less each.
        Assert.Equal(["loss", "masked_accuracy"], control.Metrics.Keys.Order());
        Assert.Contains("so_accuracy", aux.Metrics.Keys);
    }

    /// <summary>Whole sentences fill fewer tokens of a step than a text that goes on.</summary>
    [Theory]
    [InlineData(Combination.Continual)]
    [InlineData(Combination.ContinualPlus)]
    public void Continual_GivesEachAsManyTokens(Combination combination)
    {
        var settings = Settings with
        {
            Steps = 600,
            Objectives = [Objective.TermFrequency, Objective.SentenceOrder],
            Combination = combination
        };
        var taken = Train(settings).State.Ledger.Taken;
        const int batch = 16 * Length;
        Assert.All(taken, tokens => Assert.InRange(
            tokens, taken.Average() - (2 * taken.Length * batch), taken.Average() + (2 * taken.Length * batch)));
    }

    /// <summary>With one copy each epoch hides what the last one hid.</summary>
    [Fact]
    public void MaskedCopies_ComeAgain()
    {
        Assert.Equal(LossOfEpoch(copies: 1, epoch: 0), LossOfEpoch(copies: 1, epoch: 1), 1e-4);
        Assert.Equal(LossOfEpoch(copies: 2, epoch: 0), LossOfEpoch(copies: 2, epoch: 2), 1e-4);
        Assert.True(Math.Abs(LossOfEpoch(copies: 2, epoch: 0) - LossOfEpoch(copies: 2, epoch: 1)) > 1e-3);
        Assert.True(Math.Abs(LossOfEpoch(copies: 0, epoch: 0) - LossOfEpoch(copies: 0, epoch: 2)) > 1e-3);

        static double LossOfEpoch(int copies, int epoch)
        {
            var losses = new List<double>();
            var texts = Enumerable.Range(0, 16).Select(i =>
                string.Join(' ', Enumerable.Range(0, 30).Select(word => $"opener{word * (i + 3) % 8}")));
            using var corpus = new TextCorpus(texts, Story.Tokenizer);
            var settings =
                Settings with { Steps = 12, BatchSize = 4, LearningRate = 1e-12f, Dropout = 0, MaskedCopies = copies };
            // Sixteen sequences of one length, four steps an epoch.
            Train(settings, step => losses.Add(step.Loss), corpus);
            return losses.Skip(4 * epoch).Take(4).Average();
        }
    }

    [Fact]
    public void Corpus_SmallerThanABatch_IsRefused()
    {
        using var corpus = new TextCorpus([Story.Document(1)], Story.Tokenizer);
        var refused = Assert.Throws<SettingException>(() => Train(Settings, null, corpus));
        Assert.Contains("less than one batch of 16", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Documents_ThatAreOnlyOne_CantBeToldApart()
    {
        using var corpus = new TextCorpus(
            [string.Join(' ', Enumerable.Range(0, 40).Select(i => Story.Document(i)))], Story.Tokenizer);
        Objective[] arrangements = [Objective.NextSentence, Objective.AdjacentSentence, Objective.SentenceDistance];
        foreach (var objective in arrangements)
        {
            var refused = Assert.Throws<SettingException>(
                () => Train(Settings with { Objectives = [objective] }, null, corpus));
            Assert.Contains("tells documents apart, and the corpus has one", refused.Message, StringComparison.Ordinal);
            var sampler = new ExampleSampler(corpus.Value, Story.Words, Length);
            Assert.Empty(sampler.Sample(0, new HashSet<Objective> { objective }, key: 1).Sequences.Single().Classes);
        }

        Train(Settings with { Objectives = [Objective.SentenceOrder], Steps = 1 }, null, corpus);
    }

    private static PretrainingSettings Settings => new()
    {
        Steps = 1200,
        BatchSize = 16,
        LearningRate = 0.005f,
        Dropout = 0,
        Seed = 3
    };

    private static (PretrainingState State, string Digest) Train(
        PretrainingSettings settings, Action<TrainingProgress>? onStep = null, TextCorpus? given = null)
    {
        using var backend = Small.Backend();
        using var own = new TextCorpus(Enumerable.Range(0, 240).Select(i => Story.Document(i)), Story.Tokenizer);
        using var heldOut = new TextCorpus(Enumerable.Range(240, 60).Select(i => Story.Document(i)), Story.Tokenizer);
        var config = new BertConfig
        {
            Vocab = Story.Words.Count,
            Hidden = 24,
            Layers = 2,
            Heads = 3,
            Inner = 48,
            MaxPositions = Length
        };
        using var trainer = new PretrainingTrainer(
            backend,
            config,
            new InitialParameters(seed: 1, config, Initialization.Neighbors),
            new((given ?? own).Value, Story.Words, Length),
            new(heldOut.Value, Story.Words, Length),
            settings);
        var state = trainer.Run(new Observer(onStep), checkpoints: null, CancellationToken.None);
        using var encoder = BertEncoder.Load(backend, config, trainer.Model);
        return (state, encoder.Digest);
    }

    private sealed class Observer(Action<TrainingProgress>? onStep) : ITrainingObserver
    {
        public void Stepped(TrainingProgress progress) => onStep?.Invoke(progress);

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest)
        {
        }
    }
}
