namespace Serving.Tensors.Tests.Conformance;

/// <summary>Every operation of the contract, once or in a few variants.</summary>
internal static class Operations
{
    private static readonly Dropout Dropped = new(0.3f, Key: 11);
    private static readonly int[] QueryOffsets = [0, 3, 3, 9, 10];
    private static readonly int[] KeyOffsets = [0, 5, 7, 40, 41];
    private static readonly int[] CausalQueryOffsets = [0, 3, 3, 80, 81];
    private static readonly int[] CausalKeyOffsets = [0, 5, 7, 97, 98];

    private static readonly int[] LstmSteps = [0, 5, 9, 12, 13, 14];

    public static IReadOnlyDictionary<string, Action<Operands>> All { get; } = new SortedDictionary<
        string, Action<Operands>>(StringComparer.Ordinal)
    {
        ["Linear"] = o => o.Backend.Linear(
            o.Tensor(19, 70), o.Weight(45, 70), o.Tensor(1, 45), [], Activation.Gelu, o.Tensor(19, 45),
            o.Tensor(19, 45)),
        ["Linear, masks, bfloat16"] = o => o.Backend.Linear(
            o.Tensor(19, 70), o.Weight(45, 70, WeightFormat.BFloat16), default,
            [new(2, null), new(16, o.Mask(45, 70)), new(0, null), new(1, o.Mask(45, 70))], Activation.Tanh, default,
            o.Tensor(19, 45)),
        ["Linear, masks, int8"] = o => o.Backend.Linear(
            o.Tensor(19, 70), o.Weight(45, 70, WeightFormat.Int8), o.Tensor(1, 45),
            [new(2, null), new(17, o.Mask(45, 70))], Activation.None, default, o.Tensor(19, 45)),
        ["Linear, tanh form of GELU"] = o => o.Backend.Linear(
            o.Tensor(19, 70), o.Weight(45, 70), o.Tensor(1, 45), [], Activation.GeluTanh, o.Tensor(19, 45),
            o.Tensor(19, 45)),
        ["ScatterRows"] = o => o.Backend.ScatterRows(o.Tensor(3, 33), o.Indices(4, 0, 2), o.Tensor(5, 33)),
        ["CachedAttention"] = o => o.Backend.CachedAttention(
            o.Tensor(8, 36), o.Indices(0, 5, 5, 8), // Behind 6, behind all of 1, and behind none.
            new(
                o.Tensor(24, 36), o.Tensor(24, 36), o.Indices(5, 0, 3, 1, 2), o.Indices(0, 3, 4, 5),
                o.Indices(11, 1, 3), BlockRows: 4),
            heads: 3, o.Tensor(8, 36)),
        ["Lstm"] = o => o.Backend.Lstm(
            o.Tensor(14, 4 * 19), o.Weight(4 * 19, 19), o.Indices(LstmSteps), o.Tensor(5, 19), o.Tensor(5, 19),
            o.Tensor(14, 19), o.Tensor(14, 19)),
        ["Lstm, from zeros, bfloat16"] = o => o.Backend.Lstm(
            o.Tensor(14, 4 * 19), o.Weight(4 * 19, 19, WeightFormat.BFloat16), o.Indices(LstmSteps), default, default,
            o.Tensor(14, 19), o.Tensor(14, 19)),
        ["LstmGradient"] = o => o.Backend.LstmGradient(
            o.Tensor(14, 4 * 19), o.Tensor(4 * 19, 19), o.Indices(LstmSteps), o.Tensor(5, 19), o.Tensor(14, 19),
            o.Tensor(14, 19), o.Tensor(14, 4 * 19), o.Tensor(5, 19), o.Tensor(5, 19)),
        ["LstmGradient, from zeros"] = o => o.Backend.LstmGradient(
            o.Tensor(14, 4 * 19), o.Tensor(4 * 19, 19), o.Indices(LstmSteps), default, o.Tensor(14, 19),
            o.Tensor(14, 19), o.Tensor(14, 4 * 19), o.Tensor(5, 19), o.Tensor(5, 19)),
        ["Project"] = o => o.Backend.Project(o.Tensor(21, 33), o.Tensor(3, 33), o.Tensor(1, 3), o.Tensor(21, 3)),
        ["LayerNorm"] = o => o.Backend.LayerNorm(
            o.Tensor(21, 33), o.Tensor(1, 33), o.Tensor(1, 33), 1e-5f, o.Tensor(21, 33)),
        ["EmbeddingSum"] = o => o.Backend.EmbeddingSum(
            o.Tensor(5, 33), o.Tensor(4, 33), o.Tensor(2, 33), o.Tokens(new(4, 0, 1), new(0, 3, 0), new(4, 1, 1)),
            o.Tensor(3, 33)),
        ["EmbeddingSum, packed"] = o => o.Backend.EmbeddingSum(
            o.Weight(45, 70, WeightFormat.BFloat16), o.Tensor(4, 70), o.Tensor(2, 70),
            o.Tokens(new(44, 0, 1), new(0, 3, 0), new(31, 1, 1)), o.Tensor(3, 70)),
        ["Attention"] = o => o.Backend.Attention(
            o.Tensor(10, 36), o.Indices(QueryOffsets), o.Tensor(41, 36), o.Tensor(41, 36), o.Indices(KeyOffsets), 3,
            o.Tensor(10, 36)),
        ["GatherRows"] = o => o.Backend.GatherRows(o.Tensor(5, 33), o.Indices(4, 0, 4, 1), o.Tensor(4, 33)),
        ["MeanRows"] = o => o.Backend.MeanRows(
            o.Tensor(9, 83), o.Indices(3, 9, 8, 9, 0, 4), o.Tensor(3, 83)),
        ["MeanRowsGradient"] = o => o.Backend.MeanRowsGradient(
            o.Tensor(3, 83), o.Indices(3, 9, 8, 9, 0, 4), o.Tensor(9, 83)),
        ["Multiply"] = o => o.Backend.Multiply(
            o.Tensor(21, 33), o.Tensor(33, 40), Transposed.Neither, default, o.Tensor(1, 40), accumulate: false,
            o.Tensor(21, 40)),
        ["Multiply, left transposed, added"] = o => o.Backend.Multiply(
            o.Tensor(33, 21), o.Tensor(33, 40), Transposed.Left, default, default, accumulate: true,
            o.Tensor(21, 40)),
        ["Multiply, right transposed, selected"] = o => o.Backend.Multiply(
            o.Tensor(21, 33), o.Tensor(40, 33), Transposed.Right, new(o.Tensor(40, 33), 0.1f), default,
            accumulate: false, o.Tensor(21, 40)),
        ["Multiply, no terms"] = o => o.Backend.Multiply(
            o.Tensor(0, 4), o.Tensor(0, 6), Transposed.Left, default, default, accumulate: false, o.Tensor(4, 6)),
        ["Apply, one operand"] = o =>
        {
            o.Backend.Apply(Elementwise.Gelu, o.Tensor(7, 33), default, o.Tensor(7, 33));
            o.Backend.Apply(Elementwise.GeluTanh, o.Tensor(7, 33), default, o.Tensor(7, 33));
            o.Backend.Apply(Elementwise.Tanh, o.Tensor(7, 33), default, o.Tensor(7, 33));
        },
        ["Apply, two operands"] = o =>
        {
            o.Backend.Apply(Elementwise.GeluGradient, o.Tensor(7, 33), o.Tensor(7, 33), o.Tensor(7, 33));
            o.Backend.Apply(Elementwise.GeluTanhGradient, o.Tensor(7, 33), o.Tensor(7, 33), o.Tensor(7, 33));
            o.Backend.Apply(Elementwise.TanhGradient, o.Tensor(7, 33), o.Tensor(7, 33), o.Tensor(7, 33));
            o.Backend.Apply(Elementwise.Add, o.Tensor(7, 33), o.Tensor(7, 33), o.Tensor(7, 33));
            o.Backend.Apply(Elementwise.AddProduct, o.Tensor(7, 33), o.Tensor(7, 33), o.Tensor(7, 33));
        },
        ["DropoutAdd"] = o => o.Backend.DropoutAdd(o.Tensor(21, 33), Dropped, o.Tensor(21, 33), o.Tensor(21, 33)),
        ["LayerNormGradient"] = o => o.Backend.LayerNormGradient(
            o.Tensor(21, 33), o.Tensor(1, 33), 1e-5f, o.Tensor(21, 33), o.Tensor(1, 33), o.Tensor(1, 33),
            o.Tensor(21, 33)),
        ["AddRows"] = o => o.Backend.AddRows(o.Tensor(300, 33), o.Tensor(1, 33)),
        ["Attention, dropout"] = o => o.Backend.Attention(
            o.Tensor(10, 36), o.Indices(QueryOffsets), o.Tensor(41, 36), o.Tensor(41, 36), o.Indices(KeyOffsets), 3,
            AttentionKind.Bidirectional, Dropped, o.Tensor(10, 36)),
        ["Attention, causal"] = o => o.Backend.Attention(
            o.Tensor(81, 36), o.Indices(CausalQueryOffsets), o.Tensor(98, 36), o.Tensor(98, 36),
            o.Indices(CausalKeyOffsets), 3, AttentionKind.Causal, default, o.Tensor(81, 36)),
        ["AttentionGradient, causal"] = o => o.Backend.AttentionGradient(
            o.Tensor(81, 36), o.Indices(CausalQueryOffsets), o.Tensor(98, 36), o.Tensor(98, 36),
            o.Indices(CausalKeyOffsets), 3, AttentionKind.Causal, Dropped, o.Tensor(81, 36), o.Tensor(81, 36),
            o.Tensor(98, 36), o.Tensor(98, 36)),
        ["AttentionGradient"] = o => o.Backend.AttentionGradient(
            o.Tensor(10, 36), o.Indices(QueryOffsets), o.Tensor(41, 36), o.Tensor(41, 36), o.Indices(KeyOffsets), 3,
            AttentionKind.Bidirectional, Dropped, o.Tensor(10, 36), o.Tensor(10, 36), o.Tensor(41, 36),
            o.Tensor(41, 36)),
        ["EmbeddingGradient"] = o => o.Backend.EmbeddingGradient(
            o.Tokens(new(4, 0, 1), new(0, 3, 0), new(4, 1, 1)), o.Tensor(3, 33), o.Tensor(5, 33), o.Tensor(4, 33),
            o.Tensor(2, 33)),
        ["ScatterAddRows"] = o => o.Backend.ScatterAddRows(
            o.Tensor(4, 33), o.Indices(4, 0, 4, 1), o.Tensor(5, 33)),
        ["SoftmaxCrossEntropy"] = o => o.Backend.SoftmaxCrossEntropy(
            o.Tensor(5, 33), o.Indices(0, 32, 7, 7, 1), 0.2f, o.Tensor(5, 33), o.First),
        ["SoftmaxUnlikelihood"] = o => o.Backend.SoftmaxUnlikelihood(
            o.Tensor(4, 33), o.Indices(0, 32, 7, 7), o.Indices(32, 1, 2, 0, 7), o.Indices(0, 3, 3, 4, 5), 0.2f, 0.3f,
            o.Tensor(4, 33), o.First, o.Second),
        ["CountCorrect"] = o => o.Backend.CountCorrect(o.Tensor(6, 3), o.Indices(0, 1, 2, 0, 1, 2), o.First),
        ["SquaredError"] = o => o.Backend.SquaredError(
            o.Tensor(9, 3), o.Tensor(9, 3), 0.5f, o.Tensor(9, 3), o.First),
        ["CosineCrossEntropy"] = o => o.Backend.CosineCrossEntropy(
            o.Tensor(6, 33), o.Indices(0, 2, 5), o.Indices(1, 3, 1), 0.5f, o.Tensor(6, 33), o.First, o.Second),
        ["CosineDistance"] = o => o.Backend.CosineDistance(
            o.Tensor(6, 33), o.Indices(0, 2, 5), o.Indices(1, 3, 1), 0.5f, o.Tensor(6, 33), o.First, o.Second),
        ["Adam"] = o =>
        {
            var variance = o.Tensor(3, 33);
            o.Backend.Fill(variance, 0.1f);
            o.Backend.Adam(
                o.Tensor(3, 33), o.Tensor(3, 33), o.Tensor(3, 33), variance,
                new(0.1f, 3, 0.9f, 0.999f, 1e-8f, 0.1f, IsDecoupled: true, GradientScale: 0.5f));
        },
        ["SumOfSquares"] = o => o.Backend.SumOfSquares(o.Tensor(7, 33), o.First),
        ["Fill"] = o => o.Backend.Fill(o.Tensor(7, 33), 2.5f)
    };
}
