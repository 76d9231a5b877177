using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;

namespace Serving.Training.Bert;

/// <summary>BERT's parameters in training, and a forward pass that is recorded for the backward pass.</summary>
/// <remarks>Also a source of weights: an encoder for serving can be made from it at any time.</remarks>
public sealed class BertModel : IParameterSource, IDisposable
{
    private readonly ParameterSet _parameters;
    private readonly Embedding _embedding;
    private readonly LayerNorm _embeddingNorm;
    private readonly TransformerLayer[] _layers;
    private readonly Linear? _pooler;

    private BertModel(TrainingBackend backend, BertConfig config, IParameterSource weights)
    {
        Config = config;
        _parameters = new(backend, weights);
        try
        {
            _embedding = new(
                _parameters.AddMatrix(config.Hidden, (BertTensors.WordEmbeddings, config.Vocab)),
                _parameters.AddMatrix(config.Hidden, (BertTensors.PositionEmbeddings, config.MaxPositions)),
                _parameters.AddMatrix(config.Hidden, (BertTensors.TypeEmbeddings, config.Types)));
            _embeddingNorm = AddNorm(BertTensors.EmbeddingNorm);
            _layers = [.. Enumerable.Range(0, config.Layers).Select(AddLayer)];
            _pooler = config.HasPooler
                ? Linear.Add(_parameters, config.Hidden, (BertTensors.Pooler, config.Hidden))
                : null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public BertConfig Config { get; }

    /// <summary>[vocab, hidden]; also the output layer of token predictions.</summary>
    public Weight WordEmbeddings => Weight.Of(_embedding.Tokens);

    /// <summary>All parameters, in a fixed order. Queries, keys and values of a layer are one.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters.All;

    /// <summary>Copies weights onto the device; all are frozen.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape; nothing stays allocated.</exception>
    public static BertModel Load(TrainingBackend backend, BertConfig config, IParameterSource weights) =>
        new(backend, config, weights);

    /// <summary>Trains every parameter.</summary>
    public void TrainAll() => _parameters.TrainAll();

    /// <summary>Trains what the vectors of a pooling depend on: the pooler only where they come through it.</summary>
    public void TrainAll(Pooling pooling) =>
        _parameters.TrainAll(
            except: pooling == Pooling.Pooler || _pooler is null ? [] : [_pooler.Weight, _pooler.Bias]);

    /// <summary>A vector for each sequence.</summary>
    /// <param name="masks">Masks over the weights; null for none.</param>
    /// <param name="gates">Those of each layer; null for none.</param>
    /// <returns>[sequences, hidden]</returns>
    public Variable Vectors(
        Tape tape, SequenceBatch batch, Pooling pooling, IWeightMasks? masks, DropoutKeys dropout,
        IReadOnlyList<ILayerGates>? gates = null)
    {
        if (pooling == Pooling.Mean)
        {
            return tape.MeanRows(
                Forward(tape, batch, batch.AllTokens, masks, dropout, gates), tape.Indices(batch.Spans));
        }

        var first = Forward(tape, batch, batch.FirstTokens, masks, dropout, gates);
        return pooling == Pooling.Pooler ? Pool(tape, first, masks) : first;
    }

    /// <summary>The last hidden states of some tokens.</summary>
    /// <param name="masks">Masks over the weights; null for none.</param>
    /// <param name="gates">Those of each layer; null for none.</param>
    /// <returns>[rows, hidden]</returns>
    public Variable Forward(
        Tape tape, SequenceBatch batch, SelectedRows selected, IWeightMasks? masks, DropoutKeys dropout,
        IReadOnlyList<ILayerGates>? gates = null)
    {
        var offsets = tape.Indices(batch.Offsets);
        var x = _embeddingNorm.Forward(tape, _embedding.Forward(tape, tape.Tokens(batch.Tokens)));
        x = tape.Dropout(x, dropout.Hidden());
        var last = _layers.Length - 1;
        for (var layer = 0; layer < last; layer++)
            x = _layers[layer].Forward(tape, x, offsets, masks, dropout, Gates(layer, batch.Offsets));
        return _layers[last].Forward(tape, x, offsets, selected, masks, dropout, Gates(last, selected.Offsets));

        RowGates? Gates(int layer, int[] starts) => gates is null
            ? null
            : new(gates[layer], tape.Indices(SequenceBatch.SpansOf(starts)));
    }

    /// <summary>BERT's pooler: tanh of a linear layer.</summary>
    /// <param name="hidden">[rows, hidden]</param>
    /// <returns>[rows, hidden]</returns>
    /// <exception cref="InvalidOperationException">The model has none.</exception>
    public Variable Pool(Tape tape, Variable hidden, IWeightMasks? masks) => _pooler is null
        ? throw new InvalidOperationException("The model has no pooler.")
        : tape.Tanh(_pooler.Forward(tape, hidden, masks));

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values) =>
        _parameters.Read(name, rows, columns, firstRow, values);

    /// <summary>Names and shapes of all parameters, as checkpoints have them; vectors have one row.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Tensors() => _parameters.Tensors();

    public void Dispose() => _parameters.Dispose();

    /// <summary>Where a matrix lies.</summary>
    internal (Parameter Parameter, int FirstRow, int Rows) Find(string name) => _parameters.Find(name);

    private TransformerLayer AddLayer(int layer)
    {
        (string, int) Module(BertMatrix matrix) =>
            (BertTensors.Module(layer, matrix), BertTensors.Shape(Config, matrix).Rows);
        var attention = new Attention(
            Linear.Add(
                _parameters, Config.Hidden, Module(BertMatrix.Query), Module(BertMatrix.Key),
                Module(BertMatrix.Value)),
            Linear.Add(_parameters, Config.Hidden, Module(BertMatrix.AttentionOutput)),
            AddNorm(BertTensors.AttentionNorm(layer)),
            Config.Heads);
        var feedForward = new FeedForward(
            Linear.Add(_parameters, Config.Hidden, Module(BertMatrix.Intermediate)),
            Linear.Add(_parameters, Config.Inner, Module(BertMatrix.Output)),
            AddNorm(BertTensors.OutputNorm(layer)));
        return new(attention, feedForward);
    }

    private LayerNorm AddNorm(string name) =>
        LayerNorm.Add(_parameters, name, Config.Hidden, Config.LayerNormEpsilon);
}
