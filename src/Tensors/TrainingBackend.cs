namespace Serving.Tensors;

/// <summary>Which operand of a product is taken transposed.</summary>
public enum Transposed
{
    /// <summary>a b: [rows, terms] by [terms, columns].</summary>
    Neither,

    /// <summary>aᵀ b: [terms, rows] by [terms, columns].</summary>
    Left,

    /// <summary>a bᵀ: [rows, terms] by [columns, terms].</summary>
    Right
}

/// <summary>
/// Which elements of a weight are kept: those with scores above a threshold (Zhao et al. 2020, eq. 1).
/// </summary>
/// <param name="Scores">Shaped like the weight; none keeps all.</param>
public readonly record struct Selection(Tensor Scores, float Threshold);

/// <summary>Which elements are dropped, and how likely (Srivastava et al. 2014); the others are scaled up.</summary>
/// <param name="Rate">0 to below 1; 0 drops nothing. Kept to 1/65536.</param>
/// <param name="Key">Chooses the elements: the same key drops the same ones, on every backend.</param>
public readonly record struct Dropout(float Rate, ulong Key)
{
    /// <summary>What the kept elements are multiplied by.</summary>
    public float Scale => 65536f / (65536 - Threshold);

    /// <summary>Of 65536 equally likely numbers, how many drop an element.</summary>
    public int Threshold => (int)MathF.Round(Rate * 65536);
}

/// <summary>Functions of single elements.</summary>
public enum Elementwise
{
    /// <summary>output = gelu(a)</summary>
    Gelu,

    /// <summary>output = b gelu'(a)</summary>
    GeluGradient,

    /// <summary>output = tanh(a)</summary>
    Tanh,

    /// <summary>output = b (1 - a²), where a is what tanh gave.</summary>
    TanhGradient,

    /// <summary>output = a + b</summary>
    Add,

    /// <summary>output = output + a b</summary>
    AddProduct
}

/// <summary>The settings of one step (Kingma and Ba 2015, alg. 1; Loshchilov and Hutter 2019, alg. 2).</summary>
/// <param name="LearningRate">Of this step.</param>
/// <param name="Step">The number of this step, from 1.</param>
/// <param name="WeightDecay">Subtracted from the parameter in AdamW, added to the gradient in Adam.</param>
/// <param name="IsDecoupled">AdamW; false is Adam.</param>
/// <param name="GradientScale">What gradients are multiplied by first, for clipping.</param>
public readonly record struct AdamStep(
    float LearningRate,
    long Step,
    float Beta1,
    float Beta2,
    float Epsilon,
    float WeightDecay,
    bool IsDecoupled,
    float GradientScale);

/// <summary>A device that also trains: gradients of the operations, and optimizers.</summary>
public abstract class TrainingBackend : TensorBackend
{
    /// <summary>Matrix product: output = a b + bias, or output + a b + bias; one operand may be transposed.</summary>
    /// <param name="selection">Elements of b that count; the others are +0.</param>
    /// <param name="bias">[1, columns], or none</param>
    /// <param name="accumulate">Whether the product is added to what the output holds.</param>
    /// <param name="output">[rows, columns]; neither a nor b</param>
    /// <exception cref="ShapeException">Operands do not fit together.</exception>
    public abstract void Multiply(
        Tensor a, Tensor b, Transposed transposed, Selection selection, Tensor bias, bool accumulate, Tensor output);

    /// <summary>A function of each element; all operands are shaped alike. The output may be a or b.</summary>
    /// <param name="b">None where the function takes one operand.</param>
    public abstract void Apply(Elementwise function, Tensor a, Tensor b, Tensor output);

    /// <summary>output = residual + dropout(x). Without a residual it is also its own gradient.</summary>
    /// <param name="residual">Shaped like x, or none.</param>
    /// <param name="output">Shaped like x; may be x or the residual.</param>
    public abstract void DropoutAdd(Tensor x, Dropout dropout, Tensor residual, Tensor output);

    /// <summary>Gradients of <see cref="TensorBackend.LayerNorm"/>.</summary>
    /// <param name="x">What was normalized, [rows, features].</param>
    /// <param name="outputGradient">[rows, features]</param>
    /// <param name="gammaGradient">[1, features]; added to. None when it is not needed.</param>
    /// <param name="betaGradient">[1, features]; added to. None when it is not needed.</param>
    /// <param name="xGradient">[rows, features]; may be outputGradient.</param>
    public abstract void LayerNormGradient(
        Tensor x, Tensor gamma, float epsilon, Tensor outputGradient, Tensor gammaGradient, Tensor betaGradient,
        Tensor xGradient);

    /// <summary>Adds up rows: output = output + Σ x[row]. The gradient of a bias.</summary>
    /// <param name="output">[1, columns]</param>
    public abstract void AddRows(Tensor x, Tensor output);

    /// <summary><see cref="TensorBackend.Attention"/> with dropout of the attention weights.</summary>
    public abstract void Attention(
        Tensor query,
        ReadOnlySpan<int> queryOffsets,
        Tensor key,
        Tensor value,
        ReadOnlySpan<int> keyOffsets,
        int heads,
        Dropout dropout,
        Tensor output);

    /// <summary>Gradients of attention; the weights are recomputed rather than kept.</summary>
    /// <param name="outputGradient">[queries, hidden]</param>
    /// <param name="queryGradient">[queries, hidden]</param>
    /// <param name="keyGradient">[tokens, hidden]</param>
    /// <param name="valueGradient">[tokens, hidden]</param>
    public abstract void AttentionGradient(
        Tensor query,
        ReadOnlySpan<int> queryOffsets,
        Tensor key,
        Tensor value,
        ReadOnlySpan<int> keyOffsets,
        int heads,
        Dropout dropout,
        Tensor outputGradient,
        Tensor queryGradient,
        Tensor keyGradient,
        Tensor valueGradient);

    /// <summary>Gradients of <see cref="TensorBackend.EmbeddingSum"/>, added to those of the tables.</summary>
    /// <param name="outputGradient">[ids, hidden]</param>
    public abstract void EmbeddingGradient(
        ReadOnlySpan<TokenIds> ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient,
        Tensor typesGradient);

    /// <summary>Gradient of <see cref="TensorBackend.GatherRows"/>: output[rows[i]] = output[rows[i]] + x[i].</summary>
    public abstract void ScatterAddRows(Tensor x, ReadOnlySpan<int> rows, Tensor output);

    /// <summary>Cross-entropy of softmax, in nats, and its gradient.</summary>
    /// <param name="logits">[rows, classes]</param>
    /// <param name="labels">A class for each row.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / rows for that of the mean.</param>
    /// <param name="gradient">[rows, classes]; may be the logits.</param>
    /// <returns>The sum of the rows' losses.</returns>
    public abstract double SoftmaxCrossEntropy(Tensor logits, ReadOnlySpan<int> labels, float scale, Tensor gradient);

    /// <summary>Moves a parameter along its gradient.</summary>
    /// <param name="mean">The gradient's moving average; updated.</param>
    /// <param name="variance">That of its square; updated.</param>
    public abstract void Adam(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamStep step);

    /// <summary>Σ x², in double.</summary>
    public abstract double SumOfSquares(Tensor x);

    /// <summary>Sets every element.</summary>
    public abstract void Fill(Tensor x, float value);
}
