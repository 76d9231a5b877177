using Serving.Tensors;
using Serving.Testing;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.Optimization;

namespace Serving.Training.Tests.Loop;

/// <summary>The loop with a learner of one number.</summary>
public sealed class TrainingLoopTests : IDisposable
{
    private readonly TrainingBackend _backend = Small.Backend();
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Run_EndsWithTheBestState()
    {
        using var learner = new Mean(_backend) { Scores = [1, 3, 2, 0] };
        var seen = Run(learner, new());
        Assert.Equal([(3, true), (6, true), (9, false), (12, false)], seen.Evaluations);
        Assert.Equal(learner.Values[1], learner.Value); // The second evaluation's.
        Assert.NotEqual(learner.Values[3], learner.Value);
    }

    [Fact]
    public void Run_EqualScores_KeepsTheLowerLoss()
    {
        using var learner = new Mean(_backend) { Scores = [1, 3, 3, 3], Losses = [0.1, 0.5, 0.4, 0.4] };
        var seen = Run(learner, new());
        Assert.Equal([(3, true), (6, true), (9, true), (12, false)], seen.Evaluations);
        Assert.Equal(learner.Values[2], learner.Value);
    }

    /// <summary>A lower loss resets what patience counts, in a run that goes on from a checkpoint, too.</summary>
    [Fact]
    public void Run_EqualScores_StopsWhenLossesNoLongerFall()
    {
        var options = new Options { Patience = 1, Checkpoints = 6 };
        using var first = new Mean(_backend)
        {
            Scores = [2, 2],
            Losses = [0.5, 0.4],
            Loss = step => step == 7 ? double.NaN : 1
        };
        Assert.Throws<DivergedException>(() => Run(first, options, _folder.Path));
        using var second = new Mean(_backend) { Scores = [2, 2], Losses = [0.3, 0.3] };
        Assert.Equal([(9, true), (12, false)], Run(second, options, _folder.Path).Evaluations);
        using var third = new Mean(_backend) { Scores = [2, 2], Losses = [0.4, 0.4] };
        Assert.Equal([(3, true), (6, false)], Run(third, new() { Patience = 1 }).Evaluations);
    }

    [Fact]
    public void Run_WithoutScores_KeepsTheLastState()
    {
        using var learner = new Mean(_backend);
        var seen = Run(learner, new());
        Assert.Equal([(3, false), (6, false), (9, false), (12, false)], seen.Evaluations);
        Assert.Equal(learner.Values[3], learner.Value);
    }

    [Fact]
    public void Run_OutOfPatience_StopsAndSaysSoWhenResumed()
    {
        using var learner = new Mean(_backend) { Scores = [2, 1, 1, 3] };
        var options = new Options { Patience = 2, Checkpoints = 9 };
        Assert.Equal(9, Run(learner, options, _folder.Path).Steps);
        using var again = new Mean(_backend) { Scores = [2] };
        Assert.Equal(0, Run(again, options, _folder.Path).Steps);
        Assert.Equal(learner.Value, again.Value);
    }

    [Fact]
    public void Run_LossThatIsNoNumber_MovesNothing()
    {
        using var learner = new Mean(_backend) { Loss = _ => double.NaN };
        var before = learner.Value;
        var diverged = Assert.Throws<DivergedException>(() => Run(learner, new()));
        Assert.Matches(
            @"^The loss is NaN at step 1\. Its batch: the numbers \d+, \d+, \d+, \d+\. "
            + @"The largest gradients: mean \(norm [\d.]+\)\. No step was made before, so it is not the learning rate: "
            + @"look at these rows and at the model\.$",
            diverged.Message);
        Assert.Equal(before, learner.Value);
    }

    /// <summary>What to do follows from how the loss went before.</summary>
    [Theory]
    [InlineData(1.0, "The loss before was 1 and did not rise: look at these rows and tensors first.")]
    [InlineData(1.5, "The loss rose from 1.5 to 7.594 before: lower the learning rate, or clip gradients.")]
    public void Run_LossThatIsNoNumberLater_NamesTheLikelierCause(double growth, string remedy)
    {
        using var learner = new Mean(_backend) { Loss = step => step == 6 ? double.NaN : Math.Pow(growth, step) };
        var diverged = Assert.Throws<DivergedException>(() => Run(learner, new()));
        Assert.StartsWith(
            "The loss is NaN at step 6. Its batch: the numbers ", diverged.Message, StringComparison.Ordinal);
        Assert.EndsWith(remedy, diverged.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_LossThatJumps_LeavesAWarning_AndGoesOn()
    {
        using var learner = new Mean(_backend) { Loss = step => step == 7 ? 50 : 1 + (0.1 * (step % 3)) };
        var seen = Run(learner, new());
        Assert.Equal(12, seen.Steps);
        var (step, message) = Assert.Single(seen.Warnings);
        Assert.Equal(7, step);
        Assert.Matches(
            @"^The loss jumps from about 1\.1 to 50 at step 7\. Its batch: the numbers \d+, \d+, \d+, \d+\. "
            + @"The largest gradients: mean \(norm [\d.E-]+\)\.$",
            message);

        using var calm = new Mean(_backend) { Loss = step => 1 + (0.1 * (step % 3)) };
        Assert.Empty(Run(calm, new()).Warnings);
        Assert.Equal(calm.Value, learner.Value); // It looks, and touches nothing.
    }

    [Fact]
    public void Run_LargeExamples_ArePartsOfOneStep()
    {
        using var learner = new Mean(_backend) { TokensOfAnExample = 5000 };
        Assert.Equal(12, Run(learner, new()).Steps);
        Assert.Equal(12 * 4, learner.Parts); // Each part has at most 8192 tokens.
        using var small = new Mean(_backend);
        Run(small, new());
        Assert.Equal(12, small.Parts);
        Assert.Equal(small.Value, learner.Value, 1e-6f);
    }

    public void Dispose()
    {
        _folder.Dispose();
        _backend.Dispose();
    }

    private static Seen Run(Mean learner, Options options, string? checkpoints = null)
    {
        using var loop = new TrainingLoop<float, string, MeanState>(learner.Tape, learner, new()
        {
            Steps = 12,
            Order = new(items: 12, batchSize: 4, dropsIncomplete: false, seed: 1),
            LearningRate = new LearningRateSchedule(0.1f, Decay.None, WarmUpSteps: 0, TotalSteps: 12),
            Adam = new(),
            Dropout = 0,
            EvaluationInterval = 3,
            Patience = options.Patience,
            CheckpointInterval = options.Checkpoints,
            Seed = 1
        }, TimeProvider.System);
        var seen = new Seen();
        loop.Run(seen, checkpoints is null ? null : new(checkpoints), CancellationToken.None);
        return seen;
    }

    private sealed record Options
    {
        public int Patience { get; init; }

        public int Checkpoints { get; init; }
    }

    private sealed record MeanState(long Step, string? Best, double BestScore, double? BestLoss, int SinceBest);

    private sealed class Seen : ITrainingObserver
    {
        public int Steps { get; private set; }

        public List<(long Step, bool IsBest)> Evaluations { get; } = [];

        public List<(long Step, string Message)> Warnings { get; } = [];

        public void Stepped(TrainingProgress progress) => Steps++;

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest) =>
            Evaluations.Add((step, isBest));

        public void Warned(long step, string message) => Warnings.Add((step, message));
    }

    /// <summary>Learns the mean of the numbers 0 to 11; its evaluations are what a test wants.</summary>
    private sealed class Mean : ILearner<float, string, MeanState>, IDisposable
    {
        private readonly Parameter _mean;
        private int _evaluations;

        public Mean(TrainingBackend backend)
        {
            Tape = new(backend);
            _mean = new("mean", backend.Allocate(1, 1), decays: false);
            _mean.Train(backend);
            Best = new([_mean], []);
        }

        public Tape Tape { get; }

        public float Value => _mean.Value.ToArray()[0];

        /// <summary>At each evaluation.</summary>
        public List<float> Values { get; } = [];

        public double[]? Scores { get; init; }

        public double[]? Losses { get; init; }

        /// <summary>Instead of the true one, by the step.</summary>
        public Func<long, double>? Loss { get; init; }

        public int TokensOfAnExample { get; init; } = 1;

        public int Parts { get; private set; }

        public IReadOnlyList<Parameter> Parameters => [_mean];

        public BestState? Best { get; }

        public IStep<float> Begin(long step, long epoch, ReadOnlySpan<int> items)
        {
            var examples = new List<float>();
            foreach (var item in items)
                examples.Add(item);
            return new Step(this, step, examples);
        }

        public string Describe(IReadOnlyList<int> items) => $"the numbers {string.Join(", ", items)}";

        public int Tokens(float example) => TokensOfAnExample;

        public Evaluation<string> Evaluate(RunState<string> state, CancellationToken cancellationToken)
        {
            Values.Add(Value);
            var i = _evaluations++;
            return new("report", new Dictionary<string, double>(), Scores?[i], Losses?[i]);
        }

        public MeanState ToCheckpoint(RunState<string> state) =>
            new(state.Step, state.Best, state.BestScore, state.BestLoss, state.SinceBest);

        public RunState<string> Resume(MeanState checkpoint) => new()
        {
            Step = checkpoint.Step,
            Best = checkpoint.Best,
            BestScore = checkpoint.BestScore,
            BestLoss = checkpoint.BestLoss,
            SinceBest = checkpoint.SinceBest
        };

        public void Dispose()
        {
            Tape.Dispose();
            _mean.Dispose();
        }

        private sealed class Step(Mean learner, long number, List<float> examples) : IStep<float>
        {
            private double _sum;

            public IReadOnlyList<float> Examples => examples;

            public double Loss => learner.Loss?.Invoke(number) ?? _sum / examples.Count;

            public void Forward(IReadOnlyList<float> part, DropoutKeys dropout)
            {
                learner.Parts++;
                var ones = learner.Tape.NewVariable(part.Count, 1, needsGradient: false);
                ones.Value.CopyFrom([.. part.Select(_ => 1f)]);
                var predictions = learner.Tape.Linear(ones, Weight.Of(learner._mean), default);
                _sum += learner.Tape.SquaredError(predictions, [.. part], 1f / examples.Count);
            }
        }
    }
}
