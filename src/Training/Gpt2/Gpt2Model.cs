using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;

namespace Serving.Training.Gpt2;

/// <summary>GPT-2's parameters in training, and a forward pass that is recorded for the backward pass.</summary>
/// <remarks>Also a source of weights: a decoder for serving can be made from it at any time.</remarks>
public sealed class Gpt2Model : IParameterSource, IDisposable
{
    private readonly ParameterSet _parameters;
    private readonly Embedding _embedding;
    private readonly Parameter _types;
    private readonly DecoderLayer[] _layers;
    private readonly LayerNorm _finalNorm;
    private readonly Parameter _output;

    private Gpt2Model(TrainingBackend backend, Gpt2Config config, IParameterSource weights)
    {
        Config = config;
        _types = new("token types", backend.Allocate(1, config.Hidden), decays: false); // Tokens have none: zeros.
        _parameters = new(backend, weights);
        try
        {
            var tokens = _parameters.AddMatrix(config.Hidden, (Gpt2Tensors.TokenEmbeddings, config.Vocab));
            _embedding = new(
                tokens,
                _parameters.AddMatrix(config.Hidden, (Gpt2Tensors.PositionEmbeddings, config.MaxPositions)),
                _types);
            _layers = [.. Enumerable.Range(0, config.Layers).Select(AddLayer)];
            _finalNorm = AddNorm(Gpt2Tensors.FinalNorm);
            _output = config.TiesEmbeddings
                ? tokens
                : _parameters.AddMatrix(config.Hidden, (Gpt2Tensors.Head, config.Vocab));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public Gpt2Config Config { get; }

    /// <summary>What logits are computed by, [vocab, hidden]; the token embeddings if they are tied.</summary>
    public Weight Output => Weight.Of(_output);

    /// <summary>All parameters, in a fixed order.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters.All;

    /// <summary>Copies weights onto the device; all are frozen.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape; nothing stays allocated.</exception>
    public static Gpt2Model Load(TrainingBackend backend, Gpt2Config config, IParameterSource weights) =>
        new(backend, config, weights);

    /// <summary>Trains every parameter.</summary>
    public void TrainAll() => _parameters.TrainAll();

    /// <summary>The last hidden states of all tokens, behind the last norm.</summary>
    /// <returns>[tokens, hidden]</returns>
    public Variable Forward(Tape tape, TokenBatch batch, DropoutKeys dropout) =>
        Forward(tape, batch, dropout, trace: null);

    /// <param name="trace">Sees each intermediate result under the name of the module that made it.</param>
    internal Variable Forward(Tape tape, TokenBatch batch, DropoutKeys dropout, Action<string, Variable>? trace)
    {
        var offsets = tape.Indices(batch.Offsets);
        var x = _embedding.Forward(tape, tape.Tokens(batch.Tokens));
        trace?.Invoke("embeddings", x);
        x = tape.Dropout(x, dropout.Hidden());
        for (var i = 0; i < _layers.Length; i++)
        {
            var layer = i;
            x = _layers[i].Forward(
                tape, x, offsets, dropout, trace is null ? null : (part, output) => trace($"h.{layer}{part}", output));
        }

        x = _finalNorm.Forward(tape, x);
        trace?.Invoke(Gpt2Tensors.FinalNorm, x);
        return x;
    }

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values) =>
        _parameters.Read(name, rows, columns, firstRow, values);

    public void Dispose()
    {
        _parameters.Dispose();
        _types.Dispose();
    }

    /// <summary>Where a tensor lies.</summary>
    internal (Parameter Parameter, int First, int Size) Find(string name) => _parameters.Find(name);

    private DecoderLayer AddLayer(int layer) => new(
        AddNorm(Gpt2Tensors.AttentionNorm(layer)),
        Linear.Add(_parameters, Config.Hidden, (Gpt2Tensors.Attention(layer), 3 * Config.Hidden)),
        Linear.Add(_parameters, Config.Hidden, (Gpt2Tensors.AttentionOutput(layer), Config.Hidden)),
        AddNorm(Gpt2Tensors.FeedForwardNorm(layer)),
        Linear.Add(_parameters, Config.Hidden, (Gpt2Tensors.Intermediate(layer), Config.Inner)),
        Linear.Add(_parameters, Config.Inner, (Gpt2Tensors.Output(layer), Config.Hidden)),
        Config.Heads,
        Config.Activation);

    private LayerNorm AddNorm(string name) =>
        LayerNorm.Add(_parameters, name, Config.Hidden, Config.LayerNormEpsilon);
}
