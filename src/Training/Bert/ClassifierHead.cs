using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Bert;

/// <summary>A classifier over the pooled [CLS] vector: weight from N(0, 0.02), bias 0.</summary>
public sealed class ClassifierHead : IDisposable
{
    /// <param name="labels">Outputs: as many as labels, or 1 for regression.</param>
    /// <param name="isTrained">False leaves the random weight as it is (Zhao et al. 2020 learn through it).</param>
    public ClassifierHead(TrainingBackend backend, int labels, int hidden, ulong seed, bool isTrained)
    {
        Weight = new(BertTensors.ClassifierWeight, backend.Allocate(labels, hidden), decays: true);
        Bias = new(BertTensors.ClassifierBias, backend.Allocate(1, labels), decays: false);
        var values = new float[labels * hidden];
        var key = CounterRandom.Key(seed, InitialBertWeights.Purpose(BertTensors.ClassifierWeight));
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(0.02 * CounterRandom.Normal(key, (ulong)i));
        Weight.Value.CopyFrom(values);
        if (!isTrained)
            return;
        Weight.Train(backend);
        Bias.Train(backend);
    }

    /// <summary>[labels, hidden]</summary>
    public Parameter Weight { get; }

    public Parameter Bias { get; }

    public IReadOnlyList<Parameter> Parameters => [Weight, Bias];

    /// <summary>[sequences, labels]</summary>
    public Variable Forward(Tape tape, Variable pooled, DropoutKeys dropout) => tape.Linear(
        tape.Dropout(pooled, dropout.Hidden()), new(Weight.Value, Weight.Gradient), Vector.Of(Bias));

    public void Dispose()
    {
        Weight.Dispose();
        Bias.Dispose();
    }
}
