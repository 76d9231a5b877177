using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;

namespace Serving.Training.Pretraining;

/// <summary>The heads of objectives other than masked language modelling; not part of the backbone.</summary>
/// <remarks>
/// Classes of inputs: a linear layer over the pooled [CLS] state. Classes and numbers of tokens: dense, GELU, norm,
/// linear. Similarities: dense, GELU, norm. Span boundaries: the states on both sides, dense, GELU, norm, and the word
/// embeddings.
/// </remarks>
public sealed class AuxiliaryHeads : IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly BertModel _model;
    private readonly ulong _seed;
    private readonly double _deviation;
    private readonly Dictionary<Objective, Head> _heads = [];
    private readonly List<Parameter> _parameters = [];

    public AuxiliaryHeads(
        TrainingBackend backend, BertModel model, IEnumerable<Objective> objectives, ulong seed, double deviation)
    {
        (_backend, _model, _seed, _deviation) = (backend, model, seed, deviation);
        var (hidden, vocabulary) = (model.Config.Hidden, model.Config.Vocab);
        foreach (var objective in objectives.Where(objective => objective != Objective.MaskedLanguageModel))
        {
            var traits = Objectives.Of(objective);
            var module = $"cls.{traits.Name}.";
            _heads[objective] = traits.Predicts switch
            {
                Prediction.InputClass => new(Output: CreateDense(module + "output", traits.Classes, hidden)),
                Prediction.TokenClass => new(
                    CreateTransform(module, hidden), CreateDense(module + "output", traits.Classes, hidden)),
                Prediction.TokenNumber => new(
                    CreateTransform(module, hidden), CreateDense(module + "output", 1, hidden)),
                Prediction.Similarity => new(CreateTransform(module, hidden)),
                _ => new(
                    CreateTransform(module, hidden),
                    Right: CreateDense(module + "right", hidden, hidden),
                    Bias: Create(module + "output.bias", 1, vocabulary))
            };
        }
    }

    /// <summary>All of them are trained.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>The parameters of one objective.</summary>
    public IEnumerable<Parameter> ParametersOf(Objective objective) =>
        _parameters.Where(parameter =>
            parameter.Name.StartsWith($"cls.{Objectives.Of(objective).Name}.", StringComparison.Ordinal));

    /// <summary>Logits of the inputs' classes.</summary>
    /// <param name="pooled">[inputs, hidden]</param>
    /// <returns>[inputs, classes]</returns>
    public Variable InputClasses(Tape tape, Objective objective, Variable pooled) =>
        Apply(tape, _heads[objective].Output!, pooled);

    /// <summary>Logits of tokens' classes, or numbers.</summary>
    /// <param name="states">[tokens, hidden]</param>
    /// <returns>[tokens, classes], or [tokens, 1]</returns>
    public Variable Tokens(Tape tape, Objective objective, Variable states) =>
        Apply(tape, _heads[objective].Output!, Similarity(tape, objective, states));

    /// <summary>The vectors whose cosines are compared.</summary>
    /// <param name="states">[rows, hidden]</param>
    /// <returns>[rows, hidden]</returns>
    public Variable Similarity(Tape tape, Objective objective, Variable states) =>
        Finish(tape, _heads[objective].Transform!, Apply(tape, _heads[objective].Transform!.Dense, states));

    /// <summary>Logits of hidden tokens.</summary>
    /// <param name="left">States before them, [tokens, hidden].</param>
    /// <param name="right">States behind them, [tokens, hidden].</param>
    /// <returns>[tokens, vocab]</returns>
    public Variable SpanBoundary(Tape tape, Variable left, Variable right)
    {
        var head = _heads[Objective.SpanBoundary];
        var sum = tape.DropoutAdd(
            Apply(tape, head.Transform!.Dense, left), new Dropout(0, 0), Apply(tape, head.Right!, right));
        return tape.Linear(Finish(tape, head.Transform, sum), _model.WordEmbeddings, Vector.Of(head.Bias!));
    }

    public void Dispose()
    {
        foreach (var parameter in _parameters)
            parameter.Dispose();
    }

    private static Variable Apply(Tape tape, Dense dense, Variable x) =>
        tape.Linear(x, new(dense.Weight.Value, dense.Weight.Gradient), Vector.Of(dense.Bias));

    private Variable Finish(Tape tape, Transform transform, Variable x) =>
        tape.LayerNorm(
            tape.Gelu(x), Vector.Of(transform.Gamma), Vector.Of(transform.Beta), _model.Config.LayerNormEpsilon);

    private Transform CreateTransform(string module, int hidden) => new(
        CreateDense(module + "transform.dense", hidden, hidden),
        Create(module + "transform.LayerNorm.weight", 1, hidden),
        Create(module + "transform.LayerNorm.bias", 1, hidden));

    private Dense CreateDense(string module, int outFeatures, int inFeatures) =>
        new(Create(module + ".weight", outFeatures, inFeatures), Create(module + ".bias", 1, outFeatures));

    private Parameter Create(string name, int rows, int columns)
    {
        var parameter = HeadParameter.Create(_backend, name, rows, columns, _seed, _deviation);
        _parameters.Add(parameter);
        return parameter;
    }

    private sealed record Dense(Parameter Weight, Parameter Bias);

    private sealed record Transform(Dense Dense, Parameter Gamma, Parameter Beta);

    private sealed record Head(
        Transform? Transform = null, Dense? Output = null, Dense? Right = null, Parameter? Bias = null);
}
