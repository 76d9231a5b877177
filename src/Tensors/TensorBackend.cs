namespace Serving.Tensors;

/// <summary>What a linear layer does to its result.</summary>
public enum Activation
{
    None,

    /// <summary>x Φ(x) with the exact error function (Hendrycks and Gimpel 2016, sec. 2).</summary>
    Gelu,

    Tanh,

    /// <summary>x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))) (Hendrycks and Gimpel 2016, sec. 2), GPT-2's.</summary>
    GeluTanh
}

/// <summary>Rows that share a mask.</summary>
/// <param name="Rows">How many rows; segments lie one after another.</param>
/// <param name="Mask">Which weights the rows see; null sees all.</param>
public readonly record struct RowSegment(int Rows, PackedMask? Mask);

/// <summary>A device: its memory and the operations on it. Everything above this layer is written against it.</summary>
/// <remarks>
/// Sequences of different lengths lie one after another in a tensor [tokens, features]; offsets say where each begins,
/// with the total at the end. One operation runs at a time; callers on several threads take turns, or each take one of
/// the lanes.
/// </remarks>
public abstract class TensorBackend : IDisposable
{
    /// <summary>What the backend runs on, for people: "cpu avx512, 2 threads".</summary>
    public abstract string Description { get; }

    /// <summary>What the bits of results depend on beside the operands: "cpu avx512".</summary>
    public virtual string Arithmetic => Description;

    /// <summary>Why it runs on that, for people: "the processor has AVX2 and FMA, but ...".</summary>
    public abstract string Reason { get; }

    /// <summary>Bytes of device memory that tensors, weights and masks hold now.</summary>
    public abstract long AllocatedBytes { get; }

    /// <summary>What is promised of the bits of results.</summary>
    public abstract Determinism Determinism { get; }

    /// <summary>Parts of the device that run concurrently on shared memory; itself if it has no parts.</summary>
    /// <remarks>The backend owns them. Operations on the whole backend and on its lanes slow each other down.</remarks>
    public virtual IReadOnlyList<TensorBackend> Lanes => [this];

    /// <summary>From how many multiply-adds on a batch is worth the whole device, rather than one lane.</summary>
    public virtual long WholeDeviceMultiplyAdds => 0;

    /// <summary>Slices of packed weights begin at multiples of it, see <see cref="PackedWeight.Slice"/>.</summary>
    public virtual int SliceFeatures => 1;

    /// <summary>What a failed operation means.</summary>
    /// <returns>
    /// A <see cref="DeviceMemoryException"/> or a <see cref="DeviceLostException"/>, or what failed itself.
    /// </returns>
    public virtual Exception Explain(Exception failure) => failure;

    /// <summary>Returns freed memory that is kept for reuse to the system, and masked weights that are kept.</summary>
    public virtual void Trim()
    {
    }

    /// <summary>A tensor of zeros. Its owner disposes it.</summary>
    public abstract Tensor Allocate(int rows, int columns);

    /// <summary>An index buffer that holds nothing yet. Its owner disposes it.</summary>
    /// <param name="capacity">The most numbers that it will hold.</param>
    public abstract IndexBuffer AllocateIndices(int capacity);

    /// <summary>An empty arena. Its owner disposes it.</summary>
    public abstract TensorArena CreateArena();

    /// <summary>Lays weights out for <see cref="Linear"/>, stacked along their output features.</summary>
    /// <param name="weights">Each [outFeatures, inFeatures] with the same inFeatures.</param>
    /// <exception cref="ShapeException">The weights differ in inFeatures.</exception>
    /// <exception cref="NotFiniteNumberException">The format is Int8, and a weight is NaN or infinite.</exception>
    public abstract PackedWeight PackWeight(ReadOnlySpan<Tensor> weights, WeightFormat format = WeightFormat.Float32);

    /// <summary>Allocates masks in one block.</summary>
    public abstract MaskSet AllocateMasks(ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes);

    /// <summary>Linear layer through masks: output = activation(x (weight ⊙ mask)ᵀ + bias) + residual.</summary>
    /// <param name="x">[rows, inFeatures]</param>
    /// <param name="weight">[outFeatures, inFeatures]</param>
    /// <param name="bias">[1, outFeatures], or none</param>
    /// <param name="segments">Whose rows add up to those of x; empty means all rows without a mask.</param>
    /// <param name="residual">[rows, outFeatures], or none</param>
    /// <param name="output">[rows, outFeatures]; not x and not residual</param>
    /// <remarks>A dropped weight counts as +0, whatever its value: NaN and infinities vanish.</remarks>
    /// <exception cref="ShapeException">Operands do not fit together.</exception>
    public abstract void Linear(
        Tensor x,
        PackedWeight weight,
        Tensor bias,
        ReadOnlySpan<RowSegment> segments,
        Activation activation,
        Tensor residual,
        Tensor output);

    /// <summary>Linear layer with an unpacked weight: output = x weightᵀ + bias. For weights of few rows.</summary>
    /// <param name="x">[rows, inFeatures]</param>
    /// <param name="weight">[outFeatures, inFeatures]</param>
    /// <param name="bias">[1, outFeatures], or none</param>
    /// <param name="output">[rows, outFeatures]</param>
    public abstract void Project(Tensor x, Tensor weight, Tensor bias, Tensor output);

    /// <summary>Layer normalization of each row (Ba et al. 2016, sec. 3), in place or not.</summary>
    /// <param name="x">[rows, features]</param>
    /// <param name="gamma">[1, features]</param>
    /// <param name="beta">[1, features]</param>
    /// <param name="epsilon">Added to the variance; at least 0.</param>
    /// <param name="output">[rows, features]</param>
    public abstract void LayerNorm(Tensor x, Tensor gamma, Tensor beta, float epsilon, Tensor output);

    /// <summary>Sums the embeddings of each token: token + position + type.</summary>
    /// <param name="tokens">[vocab, hidden]</param>
    /// <param name="positions">[maxPositions, hidden]</param>
    /// <param name="types">[typeCount, hidden]</param>
    /// <param name="ids">
    /// A row of each table per token, each in range; see <see cref="IndexBuffer.WriteTokens"/>.
    /// </param>
    /// <param name="output">[ids, hidden]</param>
    public abstract void EmbeddingSum(
        Tensor tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output);

    /// <summary>The same with a table that products use, too, in the output layer: it is held once.</summary>
    /// <param name="tokens">[vocab, hidden]; its rows as products see them, rounded as its format is.</param>
    /// <exception cref="NotSupportedException">The backend runs no decoders.</exception>
    public virtual void EmbeddingSum(
        PackedWeight tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output) =>
        throw new NotSupportedException($"The backend '{Description}' runs no decoders.");

    /// <summary>Scaled dot-product attention (Vaswani et al. 2017, eq. 1) over all heads, by sequence.</summary>
    /// <param name="query">[queries, hidden]</param>
    /// <param name="queryOffsets">Where each sequence's queries begin; one entry more than sequences.</param>
    /// <param name="key">[tokens, hidden]</param>
    /// <param name="value">[tokens, hidden]</param>
    /// <param name="keyOffsets">Where each sequence's keys and values begin; no sequence is empty.</param>
    /// <param name="heads">A divisor of hidden.</param>
    /// <param name="output">[queries, hidden]</param>
    public abstract void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        Tensor output);

    /// <summary>Sets every element.</summary>
    public abstract void Fill(Tensor x, float value);

    /// <summary>Copies rows: output[i] = x[rows[i]].</summary>
    /// <param name="rows">Each in range.</param>
    /// <param name="output">[rows, features]</param>
    public abstract void GatherRows(Tensor x, IndexBuffer rows, Tensor output);

    /// <summary>Means of rows: output[i] = Σ x[row] / count over a span's rows, added up in their order.</summary>
    /// <param name="x">[any, features]</param>
    /// <param name="spans">Where each begins and, next to it, its end; none is empty. They may overlap.</param>
    /// <param name="output">[spans, features]; not x. The mean of one row is that row.</param>
    public abstract void MeanRows(Tensor x, IndexBuffer spans, Tensor output);

    /// <summary>Copies rows to where they belong: output[rows[i]] = x[i].</summary>
    /// <param name="rows">Each in range, none twice.</param>
    /// <param name="output">[any, features]; its other rows stay.</param>
    /// <exception cref="NotSupportedException">The backend runs no decoders.</exception>
    public virtual void ScatterRows(Tensor x, IndexBuffer rows, Tensor output) =>
        throw new NotSupportedException($"The backend '{Description}' runs no decoders.");

    /// <summary>Causal attention over cached keys: a token sees those of its sequence up to its own.</summary>
    /// <remarks>The queries of a sequence are its last tokens, whose keys and values are in the cache, too.</remarks>
    /// <param name="query">[queries, hidden]</param>
    /// <param name="queryOffsets">Where each sequence's queries begin; one entry more than sequences.</param>
    /// <param name="heads">A divisor of hidden.</param>
    /// <param name="output">[queries, hidden]; not the query</param>
    /// <exception cref="NotSupportedException">The backend runs no decoders.</exception>
    public virtual void CachedAttention(
        Tensor query, IndexBuffer queryOffsets, in CachedKeys cache, int heads, Tensor output) =>
        throw new NotSupportedException($"The backend '{Description}' runs no decoders.");

    /// <summary>
    /// A layer of long short-term memory through time (Hochreiter and Schmidhuber 1997; with the forget gate of Gers et
    /// al. 2000): c' = f c + i g, h = o tanh(c').
    /// </summary>
    /// <remarks>
    /// Rows lie step after step. A step has as many sequences as the one before, or fewer: the first of them go on.
    /// What inputs contribute to the gates is one product over all steps, and done before.
    /// </remarks>
    /// <param name="gates">
    /// [tokens, 4 hidden]: of each token W x + b, as input, forget, cell and output gate side by side. On return the
    /// gates: i, f, o = sigmoid, g = tanh of that plus the recurrent product.
    /// </param>
    /// <param name="recurrent">[4 hidden, hidden]</param>
    /// <param name="steps">Where each step's rows begin; one entry more than steps. No step is empty.</param>
    /// <param name="hidden">[sequences of the first step, hidden], before the first step; none for zeros.</param>
    /// <param name="cell">The same; there if hidden is.</param>
    /// <param name="cells">[tokens, hidden]: c'</param>
    /// <param name="output">[tokens, hidden]: h</param>
    /// <exception cref="NotSupportedException">The backend runs no recurrent networks.</exception>
    public virtual void Lstm(
        Tensor gates, PackedWeight recurrent, IndexBuffer steps, Tensor hidden, Tensor cell, Tensor cells,
        Tensor output) =>
        throw new NotSupportedException($"The backend '{Description}' runs no recurrent networks.");

    public abstract void Dispose();
}
