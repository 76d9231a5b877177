using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Pretraining;

/// <summary>The heads of objectives other than masked language modelling; not part of the backbone.</summary>
/// <remarks>
/// Classes of inputs: a linear layer over the pooled [CLS] state. Classes and numbers of tokens: dense, GELU, norm,
/// linear. Similarities: dense, GELU, norm. Span boundaries: the states on both sides, dense, GELU, norm, and the word
/// embeddings.
/// </remarks>
public sealed class AuxiliaryHeads : IDisposable
{
    private readonly BertModel _model;
    private readonly ParameterSet _parameters;
    private readonly Dictionary<Objective, Head> _heads = [];

    public AuxiliaryHeads(
        TrainingBackend backend, BertModel model, IEnumerable<Objective> objectives, ulong seed, double deviation)
    {
        _model = model;
        _parameters = new(backend, new InitialParameters(seed, deviation: deviation));
        foreach (var objective in objectives.Where(objective => objective != Objective.MaskedLanguageModel))
            _heads[objective] = AddHead(Objectives.Of(objective));
        _parameters.TrainAll();
    }

    /// <summary>All of them are trained.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters.All;

    /// <summary>The parameters of one objective.</summary>
    public IEnumerable<Parameter> ParametersOf(Objective objective) =>
        _parameters.All.Where(parameter =>
            parameter.Name.StartsWith(Module(Objectives.Of(objective)), StringComparison.Ordinal));

    /// <summary>Logits of the inputs' classes.</summary>
    /// <param name="pooled">[inputs, hidden]</param>
    /// <returns>[inputs, classes]</returns>
    public Variable InputClasses(Tape tape, Objective objective, Variable pooled) =>
        _heads[objective].Output!.Forward(tape, pooled);

    /// <summary>Logits of tokens' classes, or numbers.</summary>
    /// <param name="states">[tokens, hidden]</param>
    /// <returns>[tokens, classes], or [tokens, 1]</returns>
    public Variable Tokens(Tape tape, Objective objective, Variable states) =>
        _heads[objective].Output!.Forward(tape, Similarity(tape, objective, states));

    /// <summary>The vectors whose cosines are compared.</summary>
    /// <param name="states">[rows, hidden]</param>
    /// <returns>[rows, hidden]</returns>
    public Variable Similarity(Tape tape, Objective objective, Variable states) =>
        _heads[objective].Transform!.Forward(tape, states);

    /// <summary>Logits of hidden tokens.</summary>
    /// <param name="left">States before them, [tokens, hidden].</param>
    /// <param name="right">States behind them, [tokens, hidden].</param>
    /// <returns>[tokens, vocab]</returns>
    public Variable SpanBoundary(Tape tape, Variable left, Variable right)
    {
        var head = _heads[Objective.SpanBoundary];
        var sum = tape.DropoutAdd(
            head.Transform!.Dense.Forward(tape, left), new Dropout(0, 0), head.Right!.Forward(tape, right));
        return tape.Linear(head.Transform.Finish(tape, sum), _model.WordEmbeddings, Vector.Of(head.Bias!));
    }

    public void Dispose() => _parameters.Dispose();

    private static string Module(ObjectiveTraits traits) => $"cls.{traits.Name}.";

    private Head AddHead(ObjectiveTraits traits)
    {
        var module = Module(traits);
        var config = _model.Config;
        Linear Dense(string name, int outFeatures) =>
            Linear.Add(_parameters, config.Hidden, (module + name, outFeatures));
        PredictionTransform Transform() =>
            PredictionTransform.Add(_parameters, module + "transform", config.Hidden, config.LayerNormEpsilon);
        return traits.Predicts switch
        {
            Prediction.InputClass => new(Output: Dense("output", traits.Classes)),
            Prediction.TokenClass => new(Transform(), Dense("output", traits.Classes)),
            Prediction.TokenNumber => new(Transform(), Dense("output", 1)),
            Prediction.Similarity => new(Transform()),
            _ => new(
                Transform(),
                Right: Dense("right", config.Hidden),
                Bias: _parameters.AddVector((module + "output.bias", config.Vocab)))
        };
    }

    private sealed record Head(
        PredictionTransform? Transform = null, Linear? Output = null, Linear? Right = null, Parameter? Bias = null);
}
