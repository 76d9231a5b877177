using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Pretraining;

/// <summary>Predicts hidden tokens: dense, GELU, norm, tied word embeddings (Devlin et al. 2019, sec. 3.1).</summary>
/// <remarks>Runs on hidden positions only, since logits over a vocabulary are costly (Izsak et al. 2021).</remarks>
public sealed class MaskedLanguageHead : IDisposable
{
    private readonly ParameterSet _parameters;
    private readonly PredictionTransform _transform;
    private readonly Parameter _bias;
    private readonly BertModel _model;

    /// <summary>A new head, all of which is trained.</summary>
    public MaskedLanguageHead(
        TrainingBackend backend, BertModel model, ulong seed, double deviation = InitialParameters.Deviation)
    {
        _model = model;
        var config = model.Config;
        _parameters = new(backend, new InitialParameters(seed, deviation: deviation));
        _transform = PredictionTransform.Add(
            _parameters, "cls.predictions.transform", config.Hidden, config.LayerNormEpsilon);
        _bias = _parameters.AddVector(("cls.predictions.bias", config.Vocab));
        _parameters.TrainAll();
    }

    public IReadOnlyList<Parameter> Parameters => _parameters.All;

    /// <param name="hidden">[positions, hidden]</param>
    /// <returns>[positions, vocab]</returns>
    public Variable Forward(Tape tape, Variable hidden) =>
        tape.Linear(_transform.Forward(tape, hidden), _model.WordEmbeddings, Vector.Of(_bias));

    public void Dispose() => _parameters.Dispose();
}
