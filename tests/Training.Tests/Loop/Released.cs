using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Bert;
using Serving.Training.Checkpoints;
using Serving.Training.Classification;
using Serving.Training.Pretraining;
using Serving.Training.Tests.Pretraining;

namespace Serving.Training.Tests.Loop;

/// <summary>The runs whose checkpoints lie in checkpoints/, see its README.md.</summary>
internal static class Released
{
    public const string Finetune = "finetune";
    public const string Mask = "mask";
    public const string Pretraining = "pretraining";

    /// <summary>Of the checkpoints; each run has nine steps.</summary>
    public const int Step = 4;

    private static readonly BertConfig Config =
        new() { Vocab = 40, Hidden = 8, Layers = 2, Heads = 2, Inner = 16, MaxPositions = 24 };

    public static TheoryData<string> Names => [Finetune, Mask, Pretraining];

    /// <summary>The folder with a run's checkpoint.</summary>
    public static string CheckpointOf(string name) =>
        Path.Combine(AppContext.BaseDirectory, "Loop", "checkpoints", name);

    /// <summary>The losses of a run's steps, as the released version computed them.</summary>
    public static double[] LossesOf(string name) => name switch
    {
        Finetune => [1.094081, 1.109447, 1.096277, 1.074905, 1.087286, 1.086010, 1.061524, 1.093461, 1.060984],
        Mask => [1.094843, 1.137545, 1.119893, 0.981912, 1.060802, 1.076602, 0.969607, 1.091403, 0.972489],
        _ => [4.280355, 4.411351, 4.435360, 4.451203, 50.922149, 56.769115, 53.081047, 48.114223, 4.169650]
    };

    /// <summary>Three epochs of three steps, evaluated after each.</summary>
    public static ClassifierTrainer CreateClassifier(TrainingBackend backend, string name)
    {
        List<ClassifierExample> examples = [.. Small.Examples(40, seed: 11).Select(
            example => new ClassifierExample(example.Sequence, example.Label))];
        return new(
            backend, Config, new InitialParameters(seed: 1, deviation: 0.2),
            new(["zero", "one", "two"], examples[..30], examples[30..]),
            new()
            {
                Method = name == Mask ? TrainingMethod.Mask : TrainingMethod.Finetune,
                LearningRate = name == Mask ? 0.03f : 0.003f,
                HeadLearningRate = name == Mask ? 0.03f : 0.003f,
                Adam = new(),
                Dropout = 0.1f,
                Epochs = 3,
                BatchSize = 10,
                CheckpointInterval = Step,
                Seed = 5
            });
    }

    /// <summary>Continual learning, evaluated every third step.</summary>
    public static PretrainingTrainer CreatePretraining(
        TrainingBackend backend, TextCorpus corpus, TextCorpus heldOut) => new(
        backend, Config with { Vocab = Story.Words.Count }, new InitialParameters(seed: 1, deviation: 0.2),
        new(corpus.Value, Story.Words, length: 24, shortSequences: 0.3),
        new(heldOut.Value, Story.Words, length: 24),
        new()
        {
            Steps = 9,
            BatchSize = 8,
            LearningRate = 0.003f,
            Objectives = [Objective.SentenceOrder, Objective.TermFrequency],
            Combination = Combination.ContinualPlus,
            MaskedCopies = 2,
            EvaluationInterval = 3,
            CheckpointInterval = Step,
            Seed = 3
        });

    public static TextCorpus Corpus(int first, int documents) =>
        new(Enumerable.Range(first, documents).Select(i => Story.Document(i, sentences: 4)), Story.Tokenizer);

    /// <summary>Runs to the end, or to a step at which it is cancelled.</summary>
    /// <returns>The losses of the steps that were run.</returns>
    public static List<double> Losses<TState>(
        Func<ITrainingObserver, CheckpointFolder<TState>?, CancellationToken, TState> run,
        CheckpointFolder<TState>? checkpoints, long stopAt = long.MaxValue)
        where TState : class
    {
        using var cancellation = new CancellationTokenSource();
        var observer = new Observer(step =>
        {
            if (step == stopAt)
                cancellation.Cancel();
        });
        try
        {
            run(observer, checkpoints, cancellation.Token);
        }
        catch (OperationCanceledException) when (stopAt < long.MaxValue)
        {
            // As asked for.
        }

        return observer.Losses;
    }

    private sealed class Observer(Action<long> onStep) : ITrainingObserver
    {
        public List<double> Losses { get; } = [];

        public void Stepped(TrainingProgress progress)
        {
            Losses.Add(progress.Loss);
            onStep(progress.Step);
        }

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest)
        {
        }
    }
}
