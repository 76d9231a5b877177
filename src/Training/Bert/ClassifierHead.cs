using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;

namespace Serving.Training.Bert;

/// <summary>A classifier over the pooled [CLS] vector: weight from N(0, 0.02), bias 0.</summary>
public sealed class ClassifierHead : IDisposable
{
    private readonly ParameterSet _parameters;
    private readonly Linear _linear;

    /// <param name="labels">Outputs: as many as labels, or 1 for regression.</param>
    /// <param name="isTrained">False leaves the random weight as it is (Zhao et al. 2020 learn through it).</param>
    public ClassifierHead(TrainingBackend backend, int labels, int hidden, ulong seed, bool isTrained)
    {
        _parameters = new(backend, new InitialParameters(seed));
        _linear = new(
            _parameters.AddMatrix(hidden, (BertTensors.ClassifierWeight, labels)),
            _parameters.AddVector((BertTensors.ClassifierBias, labels)));
        if (isTrained)
            _parameters.TrainAll();
    }

    /// <summary>[labels, hidden]</summary>
    public Parameter Weight => _linear.Weight;

    /// <summary>[1, labels]</summary>
    public Parameter Bias => _linear.Bias;

    public IReadOnlyList<Parameter> Parameters => _parameters.All;

    /// <param name="pooled">[sequences, hidden]</param>
    /// <returns>[sequences, labels]</returns>
    public Variable Forward(Tape tape, Variable pooled, DropoutKeys dropout) =>
        _linear.Forward(tape, tape.Dropout(pooled, dropout.Hidden()));

    public void Dispose() => _parameters.Dispose();
}
