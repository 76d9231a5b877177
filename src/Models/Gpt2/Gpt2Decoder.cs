using Serving.Models.Bert;
using Serving.Models.Decoders;
using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Models.Gpt2;

/// <summary>GPT-2 (Radford et al. 2019, sec. 2.3: norms before the layers, and one behind the last), frozen.</summary>
/// <remarks>Each token sees the cached keys of its sequence. Forward allocates nothing on the managed heap.</remarks>
public sealed class Gpt2Decoder : Decoder
{
    private readonly TensorBackend _backend;
    private readonly Gpt2Parameters _parameters;

    private Gpt2Decoder(TensorBackend backend, Gpt2Config config, Gpt2Parameters parameters)
    {
        _backend = backend;
        _parameters = parameters;
        Config = config;
    }

    public override Gpt2Config Config { get; }

    public override string Digest => _parameters.Digest;

    public override long Bytes => _parameters.Bytes;

    public override int BlockTokens => KeyValueCache.BlockTokens;

    /// <summary>Reads all parameters.</summary>
    /// <exception cref="ModelFileException">A parameter is missing or has another shape.</exception>
    public static Gpt2Decoder Load(
        TensorBackend backend, Gpt2Config config, IParameterSource weights,
        WeightFormat format = WeightFormat.Float32) =>
        new(backend, config, Gpt2Parameters.Load(backend, config, weights, format));

    public override KeyValueCache CreateCache(int blocks) => new(_backend, Config, blocks);

    public override Gpt2Workspace CreateWorkspace(DecoderLimits limits) => new(_backend, Config, limits);

    public override Tensor Forward(
        DecoderBatch batch, DecoderCache cache, DecoderWorkspace workspace, TensorBackend? lane = null) =>
        Forward(batch, (KeyValueCache)cache, (Gpt2Workspace)workspace, trace: null, lane);

    /// <param name="trace">Sees each intermediate result under the name of the module that made it.</param>
    internal Tensor Forward(
        DecoderBatch batch, KeyValueCache cache, Gpt2Workspace workspace, Action<string, Tensor>? trace,
        TensorBackend? lane = null)
    {
        DecoderChecks.ThrowUnlessFits(batch, Config, workspace.Limits);
        workspace.WriteIndices(batch);
        var pass = new ForwardPass(this, batch, cache, workspace, lane ?? _backend, trace);
        pass.Embed();
        for (var layer = 0; layer < Config.Layers; layer++)
            pass.RunLayer(layer);
        var logits = pass.Predict();
        batch.Append();
        return logits;
    }

    public override void Dispose() => _parameters.Dispose();

    /// <summary>One batch on its way through the layers.</summary>
    private readonly ref struct ForwardPass(
        Gpt2Decoder decoder, DecoderBatch batch, KeyValueCache cache, Gpt2Workspace workspace, TensorBackend backend,
        Action<string, Tensor>? trace)
    {
        private readonly Gpt2Config _config = decoder.Config;
        private readonly Gpt2Parameters _parameters = decoder._parameters;
        private readonly Tensor _hidden = workspace.Hidden.Slice(0, batch.TokenCount);
        private readonly Tensor _sum = workspace.Sum.Slice(0, batch.TokenCount);
        private readonly Tensor _normal = workspace.Normal.Slice(0, batch.TokenCount);

        public void Embed()
        {
            var (positions, types) = (_parameters.Positions, _parameters.Types);
            if (_config.TiesEmbeddings)
                backend.EmbeddingSum(_parameters.Head, positions, types, workspace.Tokens, _hidden);
            else
                backend.EmbeddingSum(_parameters.Tokens, positions, types, workspace.Tokens, _hidden);
            trace?.Invoke("embeddings", _hidden);
        }

        public void RunLayer(int layer)
        {
            var parameters = _parameters.Layers[layer];
            var inner = workspace.Inner.Slice(0, batch.TokenCount);
            Normalize(_hidden, parameters.AttentionNorm, _normal);
            trace?.Invoke($"h.{layer}.ln_1", _normal);
            var context = Attend(layer, parameters.Attention);
            Linear(context, parameters.AttentionOutput, Activation.None, _hidden, _sum);
            trace?.Invoke($"h.{layer}.attn", _sum);
            Normalize(_sum, parameters.FeedForwardNorm, _normal);
            trace?.Invoke($"h.{layer}.ln_2", _normal);
            Linear(_normal, parameters.Intermediate, _config.Activation, residual: default, inner);
            trace?.Invoke($"h.{layer}.mlp.act", inner);
            Linear(inner, parameters.Output, Activation.None, _sum, _hidden);
            trace?.Invoke($"h.{layer}", _hidden);
        }

        public Tensor Predict()
        {
            var rows = batch.Rows.Length;
            var logits = workspace.Logits.Slice(0, rows);
            if (rows == 0)
                return logits;
            var selected = workspace.Selected.Slice(0, rows);
            backend.GatherRows(_hidden, workspace.LogitRows, selected);
            Normalize(selected, _parameters.FinalNorm, selected);
            trace?.Invoke(Gpt2Tensors.FinalNorm, selected);
            backend.Linear(
                selected, _parameters.Head, bias: default, segments: [], Activation.None, residual: default, logits);
            return logits;
        }

        private Tensor Attend(int layer, Dense stack)
        {
            var hidden = _config.Hidden;
            var attention = workspace.Attention.Slice(0, batch.TokenCount);
            var context = workspace.Context.Slice(0, batch.TokenCount);
            Linear(_normal, stack, Activation.None, residual: default, attention);
            trace?.Invoke($"h.{layer}.attn.c_attn", attention);
            backend.ScatterRows(
                attention.SliceColumns(hidden, hidden), workspace.CacheRows, cache.Keys(layer));
            backend.ScatterRows(
                attention.SliceColumns(2 * hidden, hidden), workspace.CacheRows, cache.Values(layer));
            var cached = new CachedKeys(
                cache.Keys(layer), cache.Values(layer), workspace.Blocks, workspace.BlockOffsets, workspace.Counts,
                KeyValueCache.BlockTokens);
            backend.CachedAttention(
                attention.SliceColumns(0, hidden), workspace.Offsets, cached, _config.Heads, context);
            trace?.Invoke($"h.{layer}.attn.context", context);
            return context;
        }

        private void Normalize(Tensor x, Norm norm, Tensor output) =>
            backend.LayerNorm(x, norm.Gamma, norm.Beta, _config.LayerNormEpsilon, output);

        private void Linear(Tensor x, Dense dense, Activation activation, Tensor residual, Tensor output) =>
            backend.Linear(x, dense.Weight, dense.Bias, segments: [], activation, residual, output);
    }
}
