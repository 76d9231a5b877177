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

/// <summary>Which keys of its sequence a query attends to.</summary>
public enum AttentionKind
{
    /// <summary>All of them.</summary>
    Bidirectional,

    /// <summary>
    /// Those up to its own; the queries of a sequence are its last tokens, as in
    /// <see cref="TensorBackend.CachedAttention"/>.
    /// </summary>
    Causal
}

/// <summary>Functions of single elements.</summary>
public enum Elementwise
{
    /// <summary>output = gelu(a)</summary>
    Gelu,

    /// <summary>output = b gelu'(a)</summary>
    GeluGradient,

    /// <summary>output = the tanh form of gelu(a), see <see cref="Activation.GeluTanh"/>.</summary>
    GeluTanh,

    /// <summary>output = b times the slope of <see cref="GeluTanh"/> at a.</summary>
    GeluTanhGradient,

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
    /// <param name="kind">If it is causal, no sequence has more queries than keys.</param>
    /// <param name="dropout">
    /// Head h of sequence s drops with <see cref="Dropout.OfHead"/> of s * heads + h; see
    /// <see cref="Dropout.FactorOfWeight"/>.
    /// </param>
    public abstract void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        AttentionKind kind,
        Dropout dropout,
        Tensor output);

    /// <summary>Gradients of attention; the weights are recomputed rather than kept.</summary>
    /// <param name="outputGradient">[queries, hidden]</param>
    /// <param name="queryGradient">[queries, hidden]</param>
    /// <param name="keyGradient">[tokens, hidden]</param>
    /// <param name="valueGradient">[tokens, hidden]</param>
    public abstract void AttentionGradient(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        AttentionKind kind,
        Dropout dropout,
        Tensor outputGradient,
        Tensor queryGradient,
        Tensor keyGradient,
        Tensor valueGradient);

    /// <summary>Gradients of <see cref="TensorBackend.Lstm"/>, back through time.</summary>
    /// <param name="gates">[tokens, 4 hidden]: what the operation left there.</param>
    /// <param name="recurrent">[4 hidden, hidden]</param>
    /// <param name="cell">[sequences, hidden], before the first step; none for zeros.</param>
    /// <param name="cells">[tokens, hidden]</param>
    /// <param name="outputGradient">[tokens, hidden]</param>
    /// <param name="gatesGradient">
    /// [tokens, 4 hidden]: of what the operation found in the gates; may be the gates. The recurrent weight's gradient
    /// is its product with the outputs of the steps before.
    /// </param>
    /// <param name="hiddenGradient">[sequences, hidden]: of what stood before the first step.</param>
    /// <param name="cellGradient">The same.</param>
    public abstract void LstmGradient(
        Tensor gates, Tensor recurrent, IndexBuffer steps, Tensor cell, Tensor cells, Tensor outputGradient,
        Tensor gatesGradient, Tensor hiddenGradient, Tensor cellGradient);

    /// <summary>
    /// Gradients of <see cref="TensorBackend.EmbeddingSum(Tensor, Tensor, Tensor, IndexBuffer, Tensor)"/>, added to
    /// those of the tables.
    /// </summary>
    /// <param name="outputGradient">[ids, hidden]</param>
    /// <param name="typesGradient">None when it is not needed.</param>
    public abstract void EmbeddingGradient(
        IndexBuffer ids, Tensor outputGradient, Tensor tokensGradient, Tensor positionsGradient,
        Tensor typesGradient);

    /// <summary>Gradient of <see cref="TensorBackend.GatherRows"/>: output[rows[i]] = output[rows[i]] + x[i].</summary>
    public abstract void ScatterAddRows(Tensor x, IndexBuffer rows, Tensor output);

    /// <summary>Gradient of <see cref="TensorBackend.MeanRows"/>, added to that of x.</summary>
    /// <param name="outputGradient">[spans, features]</param>
    /// <param name="xGradient">[any, features]; not outputGradient</param>
    public abstract void MeanRowsGradient(Tensor outputGradient, IndexBuffer spans, Tensor xGradient);

    /// <summary>Sums that are 0 at first. Their owner disposes them.</summary>
    public abstract ScalarBuffer AllocateScalars(int count);

    /// <summary>Cross-entropy of softmax, in nats, and its gradient.</summary>
    /// <param name="logits">[rows, classes]</param>
    /// <param name="labels">A class for each row.</param>
    /// <param name="scale">What the gradient is multiplied by: 1 / rows for that of the mean.</param>
    /// <param name="gradient">[rows, classes]; may be the logits.</param>
    /// <param name="loss">The sum of the rows' losses is added to it.</param>
    public abstract void SoftmaxCrossEntropy(
        Tensor logits, IndexBuffer labels, float scale, Tensor gradient, Scalar loss);

    /// <summary>
    /// Likelihood of a row's label and unlikelihood of its candidates (Welleck et al. 2020, sec. 5), in nats, and the
    /// gradient of scale Σ -ln p(label) + penaltyScale Σ -ln(1 - p(candidate)).
    /// </summary>
    /// <remarks>Exact up to p = 1 - 1e-6; beyond, losses and gradients stay finite.</remarks>
    /// <param name="logits">[rows, classes]</param>
    /// <param name="labels">A class for each row.</param>
    /// <param name="candidates">Classes that are to be unlikely, a row's behind another's; none twice in a row.</param>
    /// <param name="candidateOffsets">Where each row's begin; one entry more than rows.</param>
    /// <param name="gradient">[rows, classes]; may be the logits.</param>
    /// <param name="loss">Σ -ln p(label) is added to it.</param>
    /// <param name="penalty">Σ -ln(1 - p(candidate)) is added to it.</param>
    public abstract void SoftmaxUnlikelihood(
        Tensor logits, IndexBuffer labels, IndexBuffer candidates, IndexBuffer candidateOffsets, float scale,
        float penaltyScale, Tensor gradient, Scalar loss, Scalar penalty);

    /// <summary>Counts the rows whose largest logit, the first of equal ones, is that of their label.</summary>
    /// <param name="logits">[rows, classes]</param>
    /// <param name="labels">A class for each row.</param>
    /// <param name="count">The count is added to it.</param>
    public abstract void CountCorrect(Tensor logits, IndexBuffer labels, Scalar count);

    /// <summary>Squared error, Σ (prediction - target)², and its gradient.</summary>
    /// <param name="predictions">[rows, columns]</param>
    /// <param name="targets">[rows, columns]</param>
    /// <param name="gradient">[rows, columns]; may be the predictions.</param>
    /// <param name="loss">The sum is added to it.</param>
    public abstract void SquaredError(
        Tensor predictions, Tensor targets, float scale, Tensor gradient, Scalar loss);

    /// <summary>
    /// Cross-entropy, in nats, of the softmax over the cosines of each left row with all right rows; the right class is
    /// its partner (Logeswaran and Lee 2018, eq. 2, with cosines; Aroca-Ouellette and Rudzicz 2020). At least
    /// ln(1 + (n - 1) e⁻²), since cosines are at most 1.
    /// </summary>
    /// <param name="x">[rows, features]; a cosine is ab / (|a| |b| + 1e-8). For some hundred rows.</param>
    /// <param name="left">Rows, each with its partner at the same place of `right`.</param>
    /// <param name="right">As many rows.</param>
    /// <param name="gradient">[rows, features]; not x</param>
    /// <param name="loss">The sum over the left rows is added to it.</param>
    /// <param name="correct">How many find their partner, the first of equal ones, is added to it.</param>
    public abstract void CosineCrossEntropy(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar correct);

    /// <summary>
    /// -ln((1 + cos) / 2) of pairs of rows: cross-entropy of cosines, scaled to 0 to 1, with 1; and its gradient.
    /// </summary>
    /// <param name="x">[rows, features]; cosines as in <see cref="CosineCrossEntropy"/>, 1 + cos at least 1e-8.</param>
    /// <param name="left">Rows, each with its partner at the same place of `right`.</param>
    /// <param name="right">As many rows.</param>
    /// <param name="gradient">[rows, features]; not x</param>
    /// <param name="loss">The sum is added to it.</param>
    /// <param name="cosines">The sum of the cosines is added to it.</param>
    public abstract void CosineDistance(
        Tensor x, IndexBuffer left, IndexBuffer right, float scale, Tensor gradient, Scalar loss, Scalar cosines);

    /// <summary>Moves a parameter along its gradient.</summary>
    /// <param name="mean">The gradient's moving average; updated.</param>
    /// <param name="variance">That of its square; updated.</param>
    public abstract void Adam(Tensor parameter, Tensor gradient, Tensor mean, Tensor variance, in AdamStep step);

    /// <summary>Σ x².</summary>
    /// <param name="sum">The sum of this tensor is added to it.</param>
    public abstract void SumOfSquares(Tensor x, Scalar sum);

    /// <summary>Reads which elements are above a threshold: a bit for each instead of its value.</summary>
    /// <param name="bits">Row-major, least significant bit first, without gaps: see <see cref="PackedMask"/>.</param>
    /// <exception cref="ShapeException">There is not room for exactly rows * columns bits.</exception>
    public abstract void ReadBits(Tensor x, float threshold, Span<byte> bits);
}
