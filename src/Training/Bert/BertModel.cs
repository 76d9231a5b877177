using Serving.Models;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;

namespace Serving.Training.Bert;

/// <summary>BERT's parameters in training, and a forward pass that is recorded for the backward pass.</summary>
/// <remarks>Also a source of weights: an encoder for serving can be made from it at any time.</remarks>
public sealed class BertModel : IBertWeights, IDisposable
{
    private readonly TrainingBackend _backend;
    private readonly Dictionary<string, (Parameter Parameter, int FirstRow, int Rows)> _byName =
        new(StringComparer.Ordinal);
    private readonly List<Parameter> _parameters = [];
    private readonly Layer[] _layers;
    private readonly Parameter _words;
    private readonly Parameter _positions;
    private readonly Parameter _types;
    private readonly Norm _embeddingNorm;
    private readonly Dense _pooler;

    private BertModel(TrainingBackend backend, BertConfig config, IBertWeights weights)
    {
        _backend = backend;
        Config = config;
        try
        {
            _words = Matrix(weights, config.Hidden, (BertTensors.WordEmbeddings, config.Vocab));
            _positions = Matrix(weights, config.Hidden, (BertTensors.PositionEmbeddings, config.MaxPositions));
            _types = Matrix(weights, config.Hidden, (BertTensors.TypeEmbeddings, config.Types));
            _embeddingNorm = ReadNorm(weights, BertTensors.EmbeddingNorm);
            _layers = [.. Enumerable.Range(0, config.Layers).Select(layer => ReadLayer(weights, layer))];
            _pooler = ReadDense(weights, config.Hidden, (BertTensors.Pooler, config.Hidden));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public BertConfig Config { get; }

    /// <summary>[vocab, hidden]; also the output layer of token predictions.</summary>
    public Weight WordEmbeddings => Of(_words);

    /// <summary>All parameters, in a fixed order. Queries, keys and values of a layer are one.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>Copies weights onto the device; all are frozen.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape; nothing stays allocated.</exception>
    public static BertModel Load(TrainingBackend backend, BertConfig config, IBertWeights weights) =>
        new(backend, config, weights);

    /// <summary>Trains every parameter.</summary>
    public void TrainAll()
    {
        foreach (var parameter in _parameters)
            parameter.Train(_backend);
    }

    /// <summary>The last hidden states of some tokens.</summary>
    /// <param name="masks">Masks over the weights; null for none.</param>
    /// <returns>[rows, hidden]</returns>
    public Variable Forward(
        Tape tape, SequenceBatch batch, SelectedRows selected, BertScores? masks, DropoutKeys dropout)
    {
        var x = tape.Embedding(Of(_words), Of(_positions), Of(_types), batch.Tokens);
        x = tape.Dropout(Normalize(tape, x, _embeddingNorm), dropout.Hidden());
        for (var layer = 0; layer < _layers.Length - 1; layer++)
        {
            var attention = tape.Linear(
                x, Masked(_layers[layer].Attention, masks), Vector.Of(_layers[layer].Attention.Bias));
            var context = tape.SelfAttention(attention, batch.Offsets, Config.Heads, dropout.Attention());
            x = FinishLayer(tape, _layers[layer], x, context, masks, dropout);
        }

        // The last layer computes the selected rows only.
        var hidden = Config.Hidden;
        var last = _layers[^1];
        var (weight, bias) = (Masked(last.Attention, masks), Vector.Of(last.Attention.Bias));
        var keyValue = tape.Linear(x, weight.Slice(hidden, 2 * hidden), bias.Slice(hidden, 2 * hidden));
        var rows = tape.GatherRows(x, selected.Rows);
        var query = tape.Linear(rows, weight.Slice(0, hidden), bias.Slice(0, hidden));
        var lastContext = tape.Attention(
            query, selected.Offsets, keyValue, batch.Offsets, Config.Heads, dropout.Attention());
        return FinishLayer(tape, last, rows, lastContext, masks, dropout);
    }

    /// <summary>BERT's pooler: tanh of a linear layer.</summary>
    public Variable Pool(Tape tape, Variable hidden, BertScores? masks) =>
        tape.Tanh(tape.Linear(hidden, Masked(_pooler, masks), Vector.Of(_pooler.Bias)));

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (!_byName.TryGetValue(name, out var place))
            throw new ModelFileException($"The model has no parameter '{name}'.");
        var isVector = rows == 1 && place.Parameter.Value.Rows == 1;
        if (isVector)
            place.Parameter.Value.SliceColumns(place.FirstRow, columns).CopyTo(values);
        else
            place.Parameter.Value.Slice(place.FirstRow + firstRow, values.Length / columns).CopyTo(values);
    }

    /// <summary>Names and shapes of all parameters, as checkpoints have them; vectors have one row.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Tensors() =>
        _byName.Select(entry => entry.Value.Parameter.Value.Rows == 1
            ? (entry.Key, 1, entry.Value.Rows)
            : (entry.Key, entry.Value.Rows, entry.Value.Parameter.Value.Columns));

    public void Dispose()
    {
        foreach (var parameter in _parameters)
            parameter.Dispose();
    }

    private static Weight Of(Parameter parameter) => new(parameter.Value, parameter.Gradient);

    private static Weight Masked(Dense dense, BertScores? masks) => masks?.Of(dense.Weight) ?? Of(dense.Weight);

    private Variable Normalize(Tape tape, Variable x, Norm norm) =>
        tape.LayerNorm(x, Vector.Of(norm.Gamma), Vector.Of(norm.Beta), Config.LayerNormEpsilon);

    private Variable FinishLayer(
        Tape tape, Layer layer, Variable x, Variable context, BertScores? masks, DropoutKeys dropout)
    {
        var attended = tape.Linear(
            context, Masked(layer.AttentionOutput, masks), Vector.Of(layer.AttentionOutput.Bias));
        x = Normalize(tape, tape.DropoutAdd(attended, dropout.Hidden(), x), layer.AttentionNorm);
        var inner = tape.Gelu(tape.Linear(x, Masked(layer.Intermediate, masks), Vector.Of(layer.Intermediate.Bias)));
        var output = tape.Linear(inner, Masked(layer.Output, masks), Vector.Of(layer.Output.Bias));
        return Normalize(tape, tape.DropoutAdd(output, dropout.Hidden(), x), layer.OutputNorm);
    }

    private Layer ReadLayer(IBertWeights weights, int layer)
    {
        (string, int) Module(BertMatrix matrix) =>
            (BertTensors.Module(layer, matrix), BertTensors.Shape(Config, matrix).Rows);
        return new(
            ReadDense(
                weights, Config.Hidden, Module(BertMatrix.Query), Module(BertMatrix.Key), Module(BertMatrix.Value)),
            ReadDense(weights, Config.Hidden, Module(BertMatrix.AttentionOutput)),
            ReadNorm(weights, BertTensors.AttentionNorm(layer)),
            ReadDense(weights, Config.Hidden, Module(BertMatrix.Intermediate)),
            ReadDense(weights, Config.Inner, Module(BertMatrix.Output)),
            ReadNorm(weights, BertTensors.OutputNorm(layer)));
    }

    private Dense ReadDense(IBertWeights weights, int inFeatures, params (string Name, int Rows)[] modules) => new(
        Matrix(weights, inFeatures, [.. modules.Select(module => (module.Name + ".weight", module.Rows))]),
        ReadVector(weights, [.. modules.Select(module => (module.Name + ".bias", module.Rows))]));

    private Norm ReadNorm(IBertWeights weights, string name) =>
        new(
            ReadVector(weights, (name + ".weight", Config.Hidden)),
            ReadVector(weights, (name + ".bias", Config.Hidden)));

    /// <summary>Matrices stacked into one parameter.</summary>
    private Parameter Matrix(IBertWeights weights, int columns, params (string Name, int Rows)[] members)
    {
        var parameter = Add(members, members.Sum(member => member.Rows), columns, decays: true);
        foreach (var (name, rows) in members)
        {
            var values = new float[checked(rows * columns)];
            weights.Read(name, rows, columns, 0, values);
            parameter.Value.Slice(_byName[name].FirstRow, rows).CopyFrom(values);
        }

        return parameter;
    }

    private Parameter ReadVector(IBertWeights weights, params (string Name, int Features)[] members)
    {
        var parameter = Add(members, 1, members.Sum(member => member.Features), decays: false);
        foreach (var (name, features) in members)
        {
            var values = new float[features];
            weights.Read(name, 1, features, 0, values);
            parameter.Value.SliceColumns(_byName[name].FirstRow, features).CopyFrom(values);
        }

        return parameter;
    }

    private Parameter Add((string Name, int Size)[] members, int rows, int columns, bool decays)
    {
        var parameter = new Parameter(
            string.Join(" + ", members.Select(member => member.Name)), _backend.Allocate(rows, columns), decays);
        _parameters.Add(parameter);
        var first = 0;
        foreach (var (name, size) in members)
        {
            _byName.Add(name, (parameter, first, size));
            first += size;
        }

        return parameter;
    }

    /// <summary>Where a matrix lies.</summary>
    internal (Parameter Parameter, int FirstRow, int Rows) Find(string name) => _byName[name];

    private sealed record Dense(Parameter Weight, Parameter Bias);

    private sealed record Norm(Parameter Gamma, Parameter Beta);

    private sealed record Layer(
        Dense Attention, Dense AttentionOutput, Norm AttentionNorm, Dense Intermediate, Dense Output, Norm OutputNorm);
}

/// <summary>Keys of a step's dropouts, one after another.</summary>
/// <param name="key">Of the step: the same one drops the same elements.</param>
/// <param name="hiddenRate">After embeddings and linear layers.</param>
/// <param name="attentionRate">Of attention weights.</param>
public sealed class DropoutKeys(ulong key, float hiddenRate, float attentionRate)
{
    private ulong _next;

    /// <summary>No dropout.</summary>
    public static DropoutKeys Off => new(0, 0, 0);

    public Dropout Hidden() => new(hiddenRate, CounterRandom.Bits(key, _next++));

    public Dropout Attention() => new(attentionRate, CounterRandom.Bits(key, _next++));
}
