using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;

namespace Serving.Training.Pretraining;

/// <summary>Predicts hidden tokens: dense, GELU, norm, tied word embeddings (Devlin et al. 2019, sec. 3.1).</summary>
/// <remarks>Runs on hidden positions only, since logits over a vocabulary are costly (Izsak et al. 2021).</remarks>
public sealed class MaskedLanguageHead : IDisposable
{
    private const string Module = "cls.predictions.";

    private readonly Parameter _transform;
    private readonly Parameter _transformBias;
    private readonly Parameter _gamma;
    private readonly Parameter _beta;
    private readonly Parameter _bias;
    private readonly BertModel _model;

    /// <summary>A new head, all of which is trained.</summary>
    public MaskedLanguageHead(
        TrainingBackend backend, BertModel model, ulong seed, double deviation = InitialBertWeights.Deviation)
    {
        _model = model;
        var hidden = model.Config.Hidden;
        _transform = Create("transform.dense.weight", hidden, hidden);
        _transformBias = Create("transform.dense.bias", 1, hidden);
        _gamma = Create("transform.LayerNorm.weight", 1, hidden);
        _beta = Create("transform.LayerNorm.bias", 1, hidden);
        _bias = Create("bias", 1, model.Config.Vocab);

        Parameter Create(string name, int rows, int columns) =>
            HeadParameter.Create(backend, Module + name, rows, columns, seed, deviation);
    }

    public IReadOnlyList<Parameter> Parameters => [_transform, _transformBias, _gamma, _beta, _bias];

    /// <param name="hidden">[positions, hidden]</param>
    /// <returns>[positions, vocab]</returns>
    public Variable Forward(Tape tape, Variable hidden)
    {
        var transformed = tape.Gelu(
            tape.Linear(hidden, new(_transform.Value, _transform.Gradient), Vector.Of(_transformBias)));
        var normalized = tape.LayerNorm(
            transformed, Vector.Of(_gamma), Vector.Of(_beta), _model.Config.LayerNormEpsilon);
        return tape.Linear(normalized, _model.WordEmbeddings, Vector.Of(_bias));
    }

    public void Dispose()
    {
        foreach (var parameter in Parameters)
            parameter.Dispose();
    }
}
