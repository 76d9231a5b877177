using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Text.Bert;

namespace Serving.Models.Bert;

/// <summary>BERT's encoder with its pooler (Devlin et al. 2019; post-norm, Vaswani et al. 2017), frozen.</summary>
/// <remarks>
/// Every branch of a batch sees the weights through its own masks (Zhao et al. 2020, sec. 3). The last layer computes
/// only the tokens that a branch's vector is made of. Forward allocates nothing on the managed heap.
/// </remarks>
public sealed class BertEncoder : IDisposable
{
    private readonly TensorBackend _backend;
    private readonly BertParameters _parameters;

    private BertEncoder(
        TensorBackend backend, BertConfig config, BertParameters parameters, BackboneDigest? backbone)
    {
        _backend = backend;
        _parameters = parameters;
        Config = config;
        Backbone = backbone;
    }

    public BertConfig Config { get; }

    /// <summary>SHA-256 of the parameters alone.</summary>
    public string Digest => _parameters.Digest;

    /// <summary>What a task is made for: parameters, configuration and tokenizer; null without a tokenizer.</summary>
    public BackboneDigest? Backbone { get; }

    /// <summary>Bytes of the parameters on the device.</summary>
    public long Bytes => _parameters.Bytes;

    /// <summary>Reads all parameters.</summary>
    /// <param name="tokenizer">What makes its sequences of texts; null where nothing asks for its backbone.</param>
    /// <exception cref="ModelFileException">A parameter is missing or has another shape.</exception>
    public static BertEncoder Load(
        TensorBackend backend, BertConfig config, IParameterSource weights,
        WeightFormat format = WeightFormat.Float32, BertTokenizer? tokenizer = null)
    {
        var parameters = BertParameters.Load(backend, config, weights, format);
        var backbone = tokenizer is null ? null : BertBackbone.Digest(parameters.Digest, config, tokenizer);
        return new(backend, config, parameters, backbone);
    }

    /// <summary>Memory for batches of up to so many tokens and branches.</summary>
    public BertWorkspace CreateWorkspace(int maxTokens, int maxBranches) =>
        new(_backend, Config, maxTokens, maxBranches);

    /// <summary>The vector of each branch, as its pooling makes it of the last hidden states.</summary>
    /// <remarks>The last hidden states themselves are in <see cref="BertWorkspace.Output"/>.</remarks>
    /// <param name="lane">A lane of the encoder's backend to run on; null for all of it.</param>
    /// <returns>[branches, hidden], in the workspace: valid until its next use.</returns>
    /// <exception cref="ShapeException">
    /// The batch is empty or larger than the workspace, or wants a pooler that the model does not have.
    /// </exception>
    public Tensor Forward(BertBatch batch, BertWorkspace workspace, TensorBackend? lane = null) =>
        Forward(batch, workspace, trace: null, lane);

    /// <param name="trace">Sees each intermediate result under the name of the module that made it.</param>
    internal Tensor Forward(
        BertBatch batch, BertWorkspace workspace, Action<string, Tensor>? trace, TensorBackend? lane = null)
    {
        ThrowUnlessFits(batch, workspace);
        workspace.WriteIndices(batch);
        var pass = new ForwardPass(this, batch, workspace, lane ?? _backend, trace);
        pass.Embed();
        var last = Config.Layers - 1;
        var branchLayer = batch.IsOneToOne ? 0 : Math.Min(FirstMaskedLayer(batch), last);
        for (var layer = 0; layer <= last; layer++)
        {
            if (layer == branchLayer)
                pass.Branch();
            if (layer < last)
                pass.RunLayer(layer);
            else
                pass.RunLastLayer(layer);
        }

        return pass.Pool();
    }

    public void Dispose() => _parameters.Dispose();

    private static int FirstMaskedLayer(BertBatch batch)
    {
        var first = int.MaxValue;
        foreach (var branch in batch.Branches)
            first = Math.Min(first, branch.Masks?.FirstMaskedLayer ?? int.MaxValue);
        return first;
    }

    private void ThrowUnlessFits(BertBatch batch, BertWorkspace workspace)
    {
        var tokens = Math.Max(batch.SequenceTokens, batch.BranchTokens);
        if (batch.BranchCount == 0 || batch.BranchCount > workspace.MaxBranches || tokens > workspace.MaxTokens)
        {
            throw new ShapeException(
                $"Forward: the batch has {batch.BranchCount} branches and {tokens} tokens; 1 to "
                + $"{workspace.MaxBranches} branches and up to {workspace.MaxTokens} tokens are needed.");
        }

        if (batch.PoolerCount > 0 && !Config.HasPooler)
            throw new ShapeException("Forward: a branch wants the pooler, which this model does not have.");
    }

    /// <summary>One batch on its way through the layers.</summary>
    private ref struct ForwardPass(
        BertEncoder encoder, BertBatch batch, BertWorkspace workspace, TensorBackend backend,
        Action<string, Tensor>? trace)
    {
        private readonly TensorBackend _backend = backend;
        private readonly BertConfig _config = encoder.Config;
        private readonly BertParameters _parameters = encoder._parameters;
        private IndexBuffer _offsets = workspace.SequenceOffsets;
        private Tensor _hidden = workspace.Hidden.Slice(0, batch.SequenceTokens);
        private Tensor _spare = workspace.Sum.Slice(0, batch.SequenceTokens);

        /// <summary>Where the rows of each branch begin; empty while they are those of sequences.</summary>
        private ReadOnlySpan<int> _rowOffsets;

        public readonly void Embed()
        {
            _backend.EmbeddingSum(
                _parameters.Words, _parameters.Positions, _parameters.Types, workspace.Tokens, _hidden);
            Normalize(_hidden, _parameters.EmbeddingNorm);
            trace?.Invoke("embeddings", _hidden);
        }

        /// <summary>From here on rows belong to branches.</summary>
        public void Branch()
        {
            _rowOffsets = batch.BranchOffsets;
            if (batch.IsOneToOne)
                return;

            // The two swap roles: the copies go where the sums were.
            var (hidden, spare) = (workspace.Sum, workspace.Hidden);
            _backend.GatherRows(_hidden, workspace.BranchRows, hidden.Slice(0, batch.BranchTokens));
            _hidden = hidden.Slice(0, batch.BranchTokens);
            _spare = spare.Slice(0, batch.BranchTokens);
            _offsets = workspace.BranchOffsets;
        }

        public readonly void RunLayer(int layer)
        {
            var hidden = _config.Hidden;
            var attention = workspace.Attention.Slice(0, _hidden.Rows);
            var context = workspace.Context.Slice(0, _hidden.Rows);
            ProjectHeads(layer, BertStacks.Attention, _hidden, attention);
            var query = attention.SliceColumns(0, hidden);
            var key = attention.SliceColumns(hidden, hidden);
            var value = attention.SliceColumns(2 * hidden, hidden);
            _backend.Attention(query, _offsets, key, value, _offsets, _config.Heads, context);
            ClearPrunedHeads(layer, context);
            trace?.Invoke($"encoder.layer.{layer}.attention.self", context);
            FinishLayer(layer, _hidden, context, _spare);
        }

        /// <summary>From here on there are only the rows whose last hidden state is wanted.</summary>
        public void RunLastLayer(int layer)
        {
            var hidden = _config.Hidden;
            var attention = workspace.Attention.Slice(0, _hidden.Rows);
            var keyValue = attention.SliceColumns(0, 2 * hidden);
            ProjectHeads(layer, BertStacks.Attention, _hidden, keyValue);

            var rows = batch.OutputOffsets[^1];
            if (rows < _hidden.Rows)
            {
                var (all, spare) = (_hidden, _spare);
                _hidden = spare.Slice(0, rows);
                _spare = all.Slice(0, rows);
                _backend.GatherRows(all, workspace.OutputRows, _hidden);
                _rowOffsets = batch.OutputOffsets;
            }

            var query = attention.SliceColumns(2 * hidden, hidden).Slice(0, rows);
            var context = workspace.Context.Slice(0, rows);
            ProjectHeads(layer, BertStacks.LastQuery, _hidden, query);
            var key = keyValue.SliceColumns(0, hidden);
            var value = keyValue.SliceColumns(hidden, hidden);
            _backend.Attention(query, workspace.OutputOffsets, key, value, _offsets, _config.Heads, context);
            ClearPrunedHeads(layer, context);
            trace?.Invoke($"encoder.layer.{layer}.attention.self", context);
            FinishLayer(layer, _hidden, context, _spare);
            workspace.Output = _hidden;
        }

        public readonly Tensor Pool()
        {
            var pooled = workspace.Pooled.Slice(0, batch.BranchCount);
            var poolers = batch.PoolerCount;
            if (poolers < batch.BranchCount)
            {
                _backend.MeanRows(
                    _hidden, workspace.OtherSpans, pooled.Slice(poolers, batch.BranchCount - poolers));
            }

            if (poolers > 0)
                ApplyPooler(workspace.First.Slice(0, poolers), pooled.Slice(0, poolers));
            trace?.Invoke("pooler", pooled);
            return pooled;
        }

        private readonly void ApplyPooler(Tensor first, Tensor pooled)
        {
            _backend.MeanRows(_hidden, workspace.PoolerSpans, first);
            for (var i = 0; i < first.Rows; i++)
                workspace.Segments[i] = new(1, batch.Branches[i].Masks?.Pooler);
            var segments = workspace.Segments.AsSpan(0, first.Rows);
            var (weight, bias) = _parameters.Pooler!.Value;
            _backend.Linear(first, weight, bias, segments, Activation.Tanh, residual: default, pooled);
        }

        /// <summary>Behind the heads: output projection and feed-forward, each with its residual and norm.</summary>
        private readonly void FinishLayer(int layer, Tensor hidden, Tensor context, Tensor spare)
        {
            var parameters = _parameters.Layers[layer];
            Linear(layer, BertStacks.AttentionOutput, context, Activation.None, hidden, spare);
            _backend.LayerNorm(
                spare, parameters.AttentionNorm.Gamma, parameters.AttentionNorm.Beta, _config.LayerNormEpsilon, hidden);
            trace?.Invoke($"encoder.layer.{layer}.attention.output", hidden);
            for (var first = 0; first < batch.BranchCount;)
            {
                var hasFeedForward = HasFeedForward(layer, first);
                var end = first + 1;
                while (end < batch.BranchCount && HasFeedForward(layer, end) == hasFeedForward)
                    end++;
                FeedForward(layer, first, end, hidden, spare, hasFeedForward);
                first = end;
            }

            trace?.Invoke($"encoder.layer.{layer}.output", hidden);
        }

        /// <summary>Feed-forward and norm for some branches; the norm alone where they leave it out.</summary>
        private readonly void FeedForward(
            int layer, int firstBranch, int endBranch, Tensor hidden, Tensor spare, bool hasFeedForward)
        {
            var norm = _parameters.Layers[layer].OutputNorm;
            var x = RowsOf(hidden, firstBranch, endBranch);
            if (!hasFeedForward)
            {
                Normalize(x, norm);
                return;
            }

            var inner = RowsOf(workspace.Inner.Slice(0, hidden.Rows), firstBranch, endBranch);
            var sum = RowsOf(spare, firstBranch, endBranch);
            Linear(
                layer, BertStacks.Intermediate, firstBranch, endBranch, x, Activation.Gelu, residual: default, inner);
            trace?.Invoke($"encoder.layer.{layer}.intermediate", inner);
            Linear(layer, BertStacks.Output, firstBranch, endBranch, inner, Activation.None, x, sum);
            _backend.LayerNorm(sum, norm.Gamma, norm.Beta, _config.LayerNormEpsilon, x);
        }

        /// <summary>Queries, keys or values; of branches that leave out heads, those of the others alone.</summary>
        private readonly void ProjectHeads(int layer, int stack, Tensor x, Tensor output)
        {
            for (var first = 0; first < batch.BranchCount;)
            {
                var features = Features(layer, stack, first);
                var end = first + 1;
                while (end < batch.BranchCount && Features(layer, stack, end) == features)
                    end++;
                var (rows, projected) = (RowsOf(x, first, end), RowsOf(output, first, end));
                if (features is null)
                    Linear(layer, stack, first, end, rows, Activation.None, residual: default, projected);
                foreach (var range in features ?? [])
                {
                    var (weight, bias) = _parameters.Layers[layer].Slice(stack, range);
                    _backend.Linear(
                        rows, weight, bias, [], Activation.None, residual: default,
                        projected.SliceColumns(range.First, range.Count));
                }

                first = end;
            }
        }

        /// <summary>The features of a stack that a branch needs; null for all.</summary>
        private readonly ColumnRange[]? Features(int layer, int stack, int branch) =>
            _rowOffsets.IsEmpty ? null : batch.Branches[branch].Masks?.Layers[layer].Features[stack];

        /// <summary>What heads that a branch leaves out would add to its output: nothing.</summary>
        private readonly void ClearPrunedHeads(int layer, Tensor context)
        {
            if (_rowOffsets.IsEmpty)
                return;
            for (var i = 0; i < batch.BranchCount; i++)
            {
                foreach (var (firstColumn, columns) in batch.Branches[i].Masks?.Layers[layer].PrunedHeads ?? [])
                    _backend.Fill(RowsOf(context, i, i + 1).SliceColumns(firstColumn, columns), 0f);
            }
        }

        private readonly bool HasFeedForward(int layer, int branch) =>
            _rowOffsets.IsEmpty || (batch.Branches[branch].Masks?.Layers[layer].HasFeedForward ?? true);

        /// <summary>The rows of some branches; all rows while they are those of sequences.</summary>
        private readonly Tensor RowsOf(Tensor x, int firstBranch, int endBranch) => _rowOffsets.IsEmpty
            ? x
            : x.Slice(_rowOffsets[firstBranch], _rowOffsets[endBranch] - _rowOffsets[firstBranch]);

        private readonly void Normalize(Tensor x, Norm norm) =>
            _backend.LayerNorm(x, norm.Gamma, norm.Beta, _config.LayerNormEpsilon, x);

        private readonly void Linear(
            int layer, int stack, Tensor x, Activation activation, Tensor residual, Tensor output) =>
            Linear(layer, stack, 0, batch.BranchCount, x, activation, residual, output);

        /// <param name="x">The rows of these branches.</param>
        private readonly void Linear(
            int layer, int stack, int firstBranch, int endBranch, Tensor x, Activation activation, Tensor residual,
            Tensor output)
        {
            var (weight, bias) = _parameters.Layers[layer].Stacks[stack];
            var segments = ReadOnlySpan<RowSegment>.Empty;
            if (!_rowOffsets.IsEmpty)
            {
                for (var i = firstBranch; i < endBranch; i++)
                {
                    workspace.Segments[i] = new(
                        _rowOffsets[i + 1] - _rowOffsets[i], batch.Branches[i].Masks?.Layers[layer].Stacks[stack]);
                }

                segments = workspace.Segments.AsSpan(firstBranch, endBranch - firstBranch);
            }

            _backend.Linear(x, weight, bias, segments, activation, residual, output);
        }
    }
}
