using Serving.Models;
using Serving.Models.Decoders;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Layers;

namespace Serving.Training.Decoders;

/// <summary>A decoder's parameters in training, and a forward pass that is recorded for the backward pass.</summary>
/// <remarks>Also a source of weights: a decoder for serving can be made from it at any time.</remarks>
public abstract class DecoderModel : IParameterSource, IDisposable
{
    private protected DecoderModel(TrainingBackend backend, IParameterSource weights) =>
        ParameterSet = new(backend, weights);

    public abstract DecoderConfig Config { get; }

    /// <summary>What logits are computed by, [vocab, hidden]; the token embeddings if they are tied.</summary>
    public abstract Weight Output { get; }

    /// <summary>All parameters, in a fixed order.</summary>
    public IReadOnlyList<Parameter> Parameters => ParameterSet.All;

    private protected ParameterSet ParameterSet { get; }

    /// <summary>Trains every parameter.</summary>
    public void TrainAll() => ParameterSet.TrainAll();

    /// <summary>The last hidden states of all tokens, of which logits are made.</summary>
    /// <returns>[tokens, hidden]</returns>
    public abstract Variable Forward(Tape tape, TokenBatch batch, DropoutKeys dropout);

    /// <summary>A decoder for serving with the present weights.</summary>
    public abstract Decoder CreateDecoder(TensorBackend backend);

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values) =>
        ParameterSet.Read(name, rows, columns, firstRow, values);

    public virtual void Dispose() => ParameterSet.Dispose();

    /// <summary>Where a tensor lies.</summary>
    internal (Parameter Parameter, int First, int Size) Find(string name) => ParameterSet.Find(name);
}
