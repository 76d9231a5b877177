using Serving.Models.Lstm;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Layers;

namespace Serving.Training.Lstm;

/// <summary>
/// A language model of LSTM layers in training. Dropout is on what goes up, not on what goes on in time (Zaremba et al.
/// 2014, sec. 3.2).
/// </summary>
public sealed class LstmModel : DecoderModel
{
    private readonly Parameter _tokens;
    private readonly Parameter _output;
    private readonly LstmLayer[] _layers;

    private LstmModel(TrainingBackend backend, LstmConfig config, IParameterSource weights)
        : base(backend, weights)
    {
        Config = config;
        try
        {
            _tokens = ParameterSet.AddMatrix(config.Embedding, (LstmTensors.TokenEmbeddings, config.Vocab));
            _layers = [.. Enumerable.Range(0, config.Layers).Select(layer => LstmLayer.Add(
                ParameterSet, LstmTensors.Features(config, layer), config.Hidden, LstmTensors.Layer(layer)))];
            _output = config.TiesEmbeddings
                ? _tokens
                : ParameterSet.AddMatrix(config.Hidden, (LstmTensors.Head, config.Vocab));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override LstmConfig Config { get; }

    public override Weight Output => Weight.Of(_output);

    /// <summary>Copies weights onto the device; all are frozen.</summary>
    /// <exception cref="Serving.Models.ModelFileException">
    /// One is missing or has another shape; nothing stays allocated.
    /// </exception>
    public static LstmModel Load(TrainingBackend backend, LstmConfig config, IParameterSource weights) =>
        new(backend, config, weights);

    public override LstmDecoder CreateDecoder(TensorBackend backend) => LstmDecoder.Load(backend, Config, this);

    public override Variable Forward(Tape tape, TokenBatch batch, DropoutKeys dropout)
    {
        var order = new StepOrder(batch.Offsets);
        int[] ids = [.. order.Reorder<TokenIds>(batch.Tokens).Select(id => id.Token)];
        var steps = tape.Indices(order.Steps);
        var x = tape.Dropout(tape.Lookup(Weight.Of(_tokens), tape.Indices(ids)), dropout.Hidden());
        foreach (var layer in _layers)
            x = tape.Dropout(layer.Forward(tape, x, steps), dropout.Hidden());
        return tape.GatherRows(x, tape.Indices(order.Rows));
    }
}
