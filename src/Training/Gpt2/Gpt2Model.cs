using Serving.Models;
using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Layers;

namespace Serving.Training.Gpt2;

/// <summary>GPT-2 in training.</summary>
public sealed class Gpt2Model : DecoderModel
{
    private readonly Embedding _embedding;
    private readonly Parameter _types;
    private readonly DecoderLayer[] _layers;
    private readonly LayerNorm _finalNorm;
    private readonly Parameter _output;

    private Gpt2Model(TrainingBackend backend, Gpt2Config config, IParameterSource weights)
        : base(backend, weights)
    {
        Config = config;
        _types = new("token types", backend.Allocate(1, config.Hidden), decays: false); // Tokens have none: zeros.
        try
        {
            var tokens = ParameterSet.AddMatrix(config.Hidden, (Gpt2Tensors.TokenEmbeddings, config.Vocab));
            _embedding = new(
                tokens,
                ParameterSet.AddMatrix(config.Hidden, (Gpt2Tensors.PositionEmbeddings, config.MaxPositions)),
                _types);
            _layers = [.. Enumerable.Range(0, config.Layers).Select(AddLayer)];
            _finalNorm = AddNorm(Gpt2Tensors.FinalNorm);
            _output = config.TiesEmbeddings
                ? tokens
                : ParameterSet.AddMatrix(config.Hidden, (Gpt2Tensors.Head, config.Vocab));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override Gpt2Config Config { get; }

    public override Weight Output => Weight.Of(_output);

    /// <summary>Copies weights onto the device; all are frozen.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape; nothing stays allocated.</exception>
    public static Gpt2Model Load(TrainingBackend backend, Gpt2Config config, IParameterSource weights) =>
        new(backend, config, weights);

    public override Gpt2Decoder CreateDecoder(TensorBackend backend) => Gpt2Decoder.Load(backend, Config, this);

    public override Variable Forward(Tape tape, TokenBatch batch, DropoutKeys dropout) =>
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

    public override void Dispose()
    {
        base.Dispose();
        _types.Dispose();
    }

    private DecoderLayer AddLayer(int layer) => new(
        AddNorm(Gpt2Tensors.AttentionNorm(layer)),
        Linear.Add(ParameterSet, Config.Hidden, (Gpt2Tensors.Attention(layer), 3 * Config.Hidden)),
        Linear.Add(ParameterSet, Config.Hidden, (Gpt2Tensors.AttentionOutput(layer), Config.Hidden)),
        AddNorm(Gpt2Tensors.FeedForwardNorm(layer)),
        Linear.Add(ParameterSet, Config.Hidden, (Gpt2Tensors.Intermediate(layer), Config.Inner)),
        Linear.Add(ParameterSet, Config.Inner, (Gpt2Tensors.Output(layer), Config.Hidden)),
        Config.Heads,
        Config.Activation);

    private LayerNorm AddNorm(string name) =>
        LayerNorm.Add(ParameterSet, name, Config.Hidden, Config.LayerNormEpsilon);
}
