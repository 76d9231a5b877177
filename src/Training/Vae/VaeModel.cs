using Serving.Models.Lstm;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;

namespace Serving.Training.Vae;

/// <summary>
/// A variational autoencoder of texts (Bowman et al. 2016, sec. 3): an LSTM reads a text into a Gaussian; another one
/// writes it from a draw, which it sees beside every token and begins from (He et al. 2019, appendix B).
/// </summary>
public sealed class VaeModel : IParameterSource, IDisposable
{
    private readonly ParameterSet _encoder;
    private readonly Parameter _read;
    private readonly LstmLayer _reader;
    private readonly Linear _posterior;
    private readonly ParameterSet _decoder;
    private readonly Parameter _tokens;
    private readonly LstmLayer[] _layers;
    private readonly Linear _toCell;
    private readonly Parameter _output;

    private VaeModel(TrainingBackend backend, LstmConfig config, IParameterSource weights)
    {
        Config = config;
        _encoder = new(backend, weights);
        _decoder = new(backend, weights);
        try
        {
            _read = _encoder.AddMatrix(config.Embedding, (LstmTensors.EncoderEmbeddings, config.Vocab));
            _reader = LstmLayer.Add(_encoder, config.Embedding, config.Hidden, LstmTensors.Encoder);
            _posterior = Linear.Add(_encoder, config.Hidden, (LstmTensors.Posterior, 2 * config.Latent));
            _tokens = _decoder.AddMatrix(config.Embedding, (LstmTensors.TokenEmbeddings, config.Vocab));
            _layers = [.. Enumerable.Range(0, config.Layers).Select(layer => LstmLayer.Add(
                _decoder, LstmTensors.Features(config, layer), config.Hidden, LstmTensors.Layer(layer)))];
            _toCell = Linear.Add(_decoder, config.Latent, (LstmTensors.LatentToCell, config.Hidden));
            _output = config.TiesEmbeddings
                ? _tokens
                : _decoder.AddMatrix(config.Hidden, (LstmTensors.Head, config.Vocab));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public LstmConfig Config { get; }

    /// <summary>What logits are computed by, [vocab, hidden].</summary>
    public Weight Output => Weight.Of(_output);

    /// <summary>Those of the encoder, in a fixed order.</summary>
    public IReadOnlyList<Parameter> Encoder => _encoder.All;

    /// <summary>Those of the decoder.</summary>
    public IReadOnlyList<Parameter> Decoder => _decoder.All;

    /// <summary>Copies weights onto the device; all are frozen.</summary>
    /// <param name="config">With a latent.</param>
    /// <exception cref="Serving.Models.ModelFileException">
    /// One is missing or has another shape; nothing stays allocated.
    /// </exception>
    public static VaeModel Load(TrainingBackend backend, LstmConfig config, IParameterSource weights) =>
        new(backend, config, weights);

    /// <summary>Trains every parameter.</summary>
    public void TrainAll()
    {
        _encoder.TrainAll();
        _decoder.TrainAll();
    }

    /// <summary>Means of the latents, and the logarithms of their variances.</summary>
    /// <returns>[texts, 2 latent]</returns>
    internal Variable Encode(Tape tape, SentenceBatch batch)
    {
        var x = tape.Lookup(Weight.Of(_read), tape.Indices(batch.Order.Reorder<int>(batch.Labels)));
        x = _reader.Forward(tape, x, tape.Indices(batch.Order.Steps));
        return _posterior.Forward(tape, tape.GatherRows(x, tape.Indices(batch.LastRows())));
    }

    /// <summary>The decoder's last hidden states.</summary>
    /// <param name="inputs">The batch's, or what word dropout left of them.</param>
    /// <param name="latents">[texts, latent]</param>
    /// <returns>[tokens, hidden], text after text.</returns>
    internal Variable Decode(
        Tape tape, SentenceBatch batch, int[] inputs, Variable latents, DropoutKeys dropout)
    {
        var steps = tape.Indices(batch.Order.Steps);
        var ordered = tape.GatherRows(latents, tape.Indices(batch.Order.Sequences));
        var words = tape.Dropout(
            tape.Lookup(Weight.Of(_tokens), tape.Indices(batch.Order.Reorder<int>(inputs))), dropout.Hidden());
        var x = tape.Join(words, tape.GatherRows(ordered, tape.Indices(batch.RanksOfRows())));
        var cell = _toCell.Forward(tape, ordered);
        (Variable, Variable)? state = (tape.Tanh(cell), cell);
        foreach (var layer in _layers)
        {
            x = tape.Dropout(layer.Forward(tape, x, steps, state), dropout.Hidden());
            state = null;
        }

        return tape.GatherRows(x, tape.Indices(batch.Order.Rows));
    }

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values) =>
        (_encoder.Has(name) ? _encoder : _decoder).Read(name, rows, columns, firstRow, values);

    public void Dispose()
    {
        _encoder.Dispose();
        _decoder.Dispose();
    }

    /// <summary>Where a tensor lies.</summary>
    internal (Parameter Parameter, int First, int Size) Find(string name) =>
        (_encoder.Has(name) ? _encoder : _decoder).Find(name);
}
