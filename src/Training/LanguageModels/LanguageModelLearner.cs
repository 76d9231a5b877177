using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Decoders;
using Serving.Training.Loop;
using Metrics = System.Collections.Generic.IReadOnlyDictionary<string, double>;
using Purpose = Serving.Training.RandomPurposes.LanguageModel;

namespace Serving.Training.LanguageModels;

/// <summary>A language model as the training loop sees it.</summary>
internal sealed class LanguageModelLearner : ILearner<TokenWindow, Metrics, LanguageModelState>, IDisposable
{
    private readonly TokenWindows _windows;
    private readonly LanguageModelSettings _settings;
    private readonly LanguageModelEvaluator _evaluator;
    private readonly StepParts _parts;
    private readonly Func<IEnumerable<int>, string> _describe;

    /// <param name="model">Where training begins; the learner owns it.</param>
    /// <param name="describe">What some of the corpus's documents are, for people.</param>
    public LanguageModelLearner(
        TrainingBackend backend, DecoderModel model, TokenWindows windows, TokenWindows heldOut,
        LanguageModelSettings settings, Func<IEnumerable<int>, string> describe)
    {
        (_windows, _settings, _describe) = (windows, settings, describe);
        Tape = new(backend);
        Model = model;
        Model.TrainAll();
        Best = settings.Unlikelihood.IsOn ? null : new(Model.Parameters, []);
        _parts = new(Tape, Model, backend.AllocateScalars(2));
        _evaluator = new(Tape, Model, heldOut, settings.Unlikelihood.IsOn ? settings.Unlikelihood : null);
    }

    public Tape Tape { get; }

    public DecoderModel Model { get; }

    public IReadOnlyList<Parameter> Parameters => Model.Parameters;

    public BestState? Best { get; }

    public IStep<TokenWindow> Begin(long step, long epoch, ReadOnlySpan<int> items)
    {
        var windows = new List<TokenWindow>(items.Length);
        foreach (var item in items)
            windows.Add(_windows[item]);
        var unlikelihood = _settings.Unlikelihood;
        var chance = CounterRandom.Uniform(CounterRandom.Key(_settings.Seed, Purpose.Losses), (ulong)step);
        if (chance < unlikelihood.SequenceRate && Continuations(windows) is { Count: > 0 } continuations)
            return new ContinuationStep(_parts, continuations, unlikelihood);
        return new LikelihoodStep(_parts, windows, unlikelihood.TokenWeight, Model.Config.EndToken ?? -1);
    }

    public string Describe(IReadOnlyList<int> items) =>
        _describe(items.SelectMany(_windows.Documents).Distinct().Order());

    public int Tokens(TokenWindow example) => example.Count;

    public Evaluation<Metrics> Evaluate(RunState<Metrics> state, CancellationToken cancellationToken)
    {
        var metrics = _evaluator.Run(cancellationToken);
        return new(metrics, metrics, Best is null ? null : LanguageModelEvaluator.Score(metrics));
    }

    public LanguageModelState ToCheckpoint(RunState<Metrics> state) => LanguageModelState.Of(state);

    public RunState<Metrics> Resume(LanguageModelState checkpoint) => checkpoint.ToRun();

    public void Dispose()
    {
        Tape.Dispose();
        _parts.Sums.Dispose();
        Model.Dispose();
    }

    /// <summary>
    /// Prefixes of text, as many as make with their continuations about as many tokens as the step has, and what the
    /// model makes of them.
    /// </summary>
    private List<TokenWindow> Continuations(List<TokenWindow> windows)
    {
        var (prefix, length) = (_settings.Unlikelihood.PrefixLength, _settings.Unlikelihood.ContinuationLength);
        var count = Math.Max(1, windows.Sum(window => window.Count) / (prefix + length));
        var prefixes = Prefixes.Of(windows, prefix).Take(count).ToList();
        if (prefixes.Count == 0)
            return [];
        using var decoder = new TextDecoder(Tape.Backend, Model);
        return
        [
            .. decoder.Continue(prefixes, length).Zip(
                prefixes, (continuation, before) => new TokenWindow([.. before.Span, .. continuation]))
        ];
    }
}
