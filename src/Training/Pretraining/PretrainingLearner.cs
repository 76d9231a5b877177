using System.Globalization;
using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Loop;
using Serving.Training.Optimization;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;
using Purpose = Serving.Training.RandomPurposes.Pretraining;

namespace Serving.Training.Pretraining;

/// <summary>A backbone in pretraining as the training loop sees it.</summary>
internal sealed class PretrainingLearner : ILearner<PretrainingExample, Metrics, PretrainingState>, IDisposable
{
    private readonly PretrainingSettings _settings;
    private readonly ExampleSampler _sampler;
    private readonly MaskedLanguageHead _head;
    private readonly AuxiliaryHeads _auxiliary;
    private readonly ObjectiveLosses _losses;
    private readonly PretrainingEvaluator _evaluator;
    private readonly ObjectiveSchedule _objectives;
    private readonly ObjectiveTotals _totals;
    private readonly Func<IEnumerable<int>, string> _describe;

    /// <param name="describe">What some of the corpus's documents are, for people.</param>
    public PretrainingLearner(
        TrainingBackend backend, BertConfig config, IParameterSource weights, ExampleSampler sampler,
        ExampleSampler heldOut, PretrainingSettings settings, Func<IEnumerable<int>, string> describe)
    {
        _settings = settings;
        _describe = describe;
        _sampler = sampler;
        Tape = new(backend);
        Model = BertModel.Load(backend, config, weights);
        Model.TrainAll();
        var learned = settings.IsControl ? [] : settings.Objectives;
        _head = new(backend, Model, CounterRandom.Key(settings.Seed, Purpose.Head), settings.InitialDeviation);
        _auxiliary = new(
            backend, Model, learned, CounterRandom.Key(settings.Seed, Purpose.Auxiliary), settings.InitialDeviation);
        _losses = new(Tape, Model, _head, _auxiliary);
        _totals = new(backend);
        // Hides the same tokens in every job, so that losses can be compared.
        _evaluator = new(Tape, _losses, heldOut, learned, CounterRandom.Key(0, Purpose.Hiding));
        _objectives = new(
            settings.Combination,
            settings.Objectives,
            settings.Steps,
            objectives => settings.BatchSize * sampler.MeanTokens(objectives),
            CounterRandom.Key(settings.Seed, Purpose.Schedule));
    }

    public Tape Tape { get; }

    public BertModel Model { get; }

    public IReadOnlyList<Parameter> Parameters =>
        [.. Model.Parameters, .. _head.Parameters, .. _auxiliary.Parameters];

    public BestState? Best => null;

    public IStep<PretrainingExample> Begin(long step, long epoch, ReadOnlySpan<int> items)
    {
        var objectives = _objectives.At(step);
        var copy = _settings.MaskedCopies == 0 ? epoch : epoch % _settings.MaskedCopies;
        var hiding = CounterRandom.Bits(CounterRandom.Key(_settings.Seed, Purpose.Hiding), (ulong)copy);
        var examples = new List<PretrainingExample>(items.Length);
        foreach (var span in items)
            examples.Add(_sampler.Sample(span, objectives, CounterRandom.Bits(hiding, (ulong)span)));
        _objectives.Taken(step, examples.Sum(example => (long)example.Tokens));
        var learned = _settings.IsControl ? new HashSet<Objective> { Objective.MaskedLanguageModel } : objectives;
        return new Step(_losses, _totals, examples, learned);
    }

    public string Describe(IReadOnlyList<int> items) =>
        _describe(items.Select(item => _sampler.Spans[item].Document));

    public int Tokens(PretrainingExample example) => example.Tokens;

    public Evaluation<Metrics> Evaluate(RunState<Metrics> state, CancellationToken cancellationToken)
    {
        var metrics = _evaluator.Run(cancellationToken);
        var loss = metrics[PretrainingEvaluator.Loss];
        if (state.Elapsed > _settings.GiveUpAfter && loss > _settings.GiveUpLoss)
        {
            throw new DivergedException(string.Create(
                CultureInfo.InvariantCulture,
                $"After {state.Elapsed:c} the loss is {loss:F3}, still above {_settings.GiveUpLoss}. "
                + $"Change the learning rate or the batch size."));
        }

        return new(metrics, metrics);
    }

    public PretrainingState ToCheckpoint(RunState<Metrics> state) => new(
        state.Step, state.Last ?? new Dictionary<string, double>(StringComparer.Ordinal), state.Elapsed,
        _objectives.Ledger);

    public RunState<Metrics> Resume(PretrainingState checkpoint)
    {
        _objectives.Ledger = checkpoint.Ledger;
        return new() { Step = checkpoint.Step, Last = checkpoint.Metrics, Elapsed = checkpoint.Elapsed };
    }

    public void Dispose()
    {
        Tape.Dispose();
        _totals.Dispose();
        _auxiliary.Dispose();
        _head.Dispose();
        Model.Dispose();
    }

    private sealed class Step : IStep<PretrainingExample>
    {
        private readonly ObjectiveLosses _losses;
        private readonly IReadOnlySet<Objective> _learned;
        private readonly Dictionary<Objective, int> _counts;
        private readonly ObjectiveTotals _totals;
        private double? _loss;

        /// <param name="totals">Begins at 0 with each step.</param>
        public Step(
            ObjectiveLosses losses, ObjectiveTotals totals, List<PretrainingExample> examples,
            IReadOnlySet<Objective> learned)
        {
            (_losses, _totals, _learned, Examples) = (losses, totals, learned, examples);
            totals.Clear();
            _counts = learned.ToDictionary(
                objective => objective,
                objective => examples.Sum(example => ObjectiveLosses.Count(example, objective)));
        }

        public IReadOnlyList<PretrainingExample> Examples { get; }

        /// <summary>The sum of the objectives' means over all that they predict in the step.</summary>
        public double Loss => _loss ??= MeanLoss(_totals.Read());

        public void Forward(IReadOnlyList<PretrainingExample> part, DropoutKeys dropout)
        {
            _loss = null;
            _losses.Run(part, _learned, _counts, dropout, _totals);
        }

        private double MeanLoss(Dictionary<Objective, ObjectiveSums> sums) => _learned.Sum(
            objective => sums.TryGetValue(objective, out var sum) ? sum.Loss / sum.Count : 0);
    }
}
