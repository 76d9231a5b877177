using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Torch.Tests;

/// <summary>Every operation, on operands of random shapes.</summary>
internal static class RandomOperations
{
    public static IReadOnlyDictionary<string, Action<Operands, Random>> All { get; } = new SortedDictionary<
        string, Action<Operands, Random>>(StringComparer.Ordinal)
    {
        ["Linear"] = Linear,
        ["Project"] = (o, r) =>
        {
            var (rows, columns, outFeatures) = (Size(r), Size(r), Size(r));
            o.Backend.Project(
                o.Tensor(rows, columns), o.Tensor(outFeatures, columns), o.Tensor(1, outFeatures),
                o.Tensor(rows, outFeatures));
        },
        ["Multiply"] = Multiply,
        ["LayerNorm"] = (o, r) =>
        {
            var (rows, columns) = (Size(r), Size(r));
            o.Backend.LayerNorm(
                o.Tensor(rows, columns), o.Tensor(1, columns), o.Tensor(1, columns), 1e-3f, o.Tensor(rows, columns));
        },
        ["LayerNormGradient"] = (o, r) =>
        {
            var (rows, columns) = (Size(r), Size(r));
            o.Backend.LayerNormGradient(
                o.Tensor(rows, columns), o.Tensor(1, columns), 1e-3f, o.Tensor(rows, columns), o.Tensor(1, columns),
                o.Tensor(1, columns), o.Tensor(rows, columns));
        },
        ["Attention"] = (o, r) =>
        {
            var (queries, keys, heads, hidden, kind) = Sequences(r);
            o.Backend.Attention(
                o.Tensor(queries[^1], hidden), o.Indices(queries), o.Tensor(keys[^1], hidden),
                o.Tensor(keys[^1], hidden), o.Indices(keys), heads, kind, Rate(r), o.Tensor(queries[^1], hidden));
        },
        ["AttentionGradient"] = (o, r) =>
        {
            var (queries, keys, heads, hidden, kind) = Sequences(r);
            o.Backend.AttentionGradient(
                o.Tensor(queries[^1], hidden), o.Indices(queries), o.Tensor(keys[^1], hidden),
                o.Tensor(keys[^1], hidden), o.Indices(keys), heads, kind, Rate(r), o.Tensor(queries[^1], hidden),
                o.Tensor(queries[^1], hidden), o.Tensor(keys[^1], hidden), o.Tensor(keys[^1], hidden));
        },
        ["EmbeddingSum"] = (o, r) =>
        {
            var (ids, columns) = (Ids(r), Size(r));
            o.Backend.EmbeddingSum(
                o.Tensor(9, columns), o.Tensor(7, columns), o.Tensor(2, columns), o.Tokens(ids),
                o.Tensor(ids.Length, columns));
        },
        ["EmbeddingSum, packed"] = (o, r) =>
        {
            var (ids, columns) = (Ids(r), Size(r));
            o.Backend.EmbeddingSum(
                o.Weight(9, columns, (WeightFormat)r.Next(3)), o.Tensor(7, columns), o.Tensor(2, columns),
                o.Tokens(ids), o.Tensor(ids.Length, columns));
        },
        ["EmbeddingGradient"] = (o, r) =>
        {
            var (ids, columns) = (Ids(r), Size(r));
            o.Backend.EmbeddingGradient(
                o.Tokens(ids), o.Tensor(ids.Length, columns), o.Tensor(9, columns), o.Tensor(7, columns),
                o.Tensor(2, columns));
        },
        ["GatherRows"] = (o, r) => o.Backend.GatherRows(o.Tensor(9, 33), o.Indices(Below(r, 9, 20)), o.Tensor(20, 33)),
        ["ScatterAddRows"] = (o, r) =>
            o.Backend.ScatterAddRows(o.Tensor(20, 33), o.Indices(Below(r, 9, 20)), o.Tensor(9, 33)),
        ["MeanRows"] = (o, r) => o.Backend.MeanRows(o.Tensor(30, 33), o.Indices(Spans(r, 30, 6)), o.Tensor(6, 33)),
        ["MeanRowsGradient"] = (o, r) =>
            o.Backend.MeanRowsGradient(o.Tensor(6, 33), o.Indices(Spans(r, 30, 6)), o.Tensor(30, 33)),
        ["AddRows"] = (o, r) =>
        {
            var (rows, columns) = (Size(r), Size(r));
            o.Backend.AddRows(o.Tensor(rows, columns), o.Tensor(1, columns));
        },
        ["Apply"] = (o, r) =>
        {
            var (rows, columns) = (Size(r), Size(r));
            foreach (var function in Enum.GetValues<Elementwise>())
                o.Backend.Apply(function, o.Tensor(rows, columns), o.Tensor(rows, columns), o.Tensor(rows, columns));
        },
        ["DropoutAdd"] = (o, r) =>
        {
            var (rows, columns) = (Size(r), Size(r));
            o.Backend.DropoutAdd(
                o.Tensor(rows, columns), Rate(r), o.Tensor(rows, columns), o.Tensor(rows, columns));
        },
        ["SoftmaxCrossEntropy"] = (o, r) =>
        {
            var (rows, classes) = (Size(r), Size(r));
            o.Backend.SoftmaxCrossEntropy(
                o.Tensor(rows, classes), o.Indices(Below(r, classes, rows)), 0.1f, o.Tensor(rows, classes), o.First);
        },
        ["SoftmaxUnlikelihood"] = (o, r) =>
        {
            var (rows, classes) = (Size(r), Size(r));
            int[] offsets = [.. Enumerable.Range(0, rows + 1).Select(row => row / 2)];
            o.Backend.SoftmaxUnlikelihood(
                o.Tensor(rows, classes), o.Indices(Below(r, classes, rows)),
                o.Indices(Below(r, classes, offsets[^1])), o.Indices(offsets), 0.1f, 0.2f, o.Tensor(rows, classes),
                o.First, o.Second);
        },
        ["CountCorrect"] = (o, r) =>
        {
            var (rows, classes) = (Size(r), Size(r));
            o.Backend.CountCorrect(o.Tensor(rows, classes), o.Indices(Below(r, classes, rows)), o.First);
        },
        ["SquaredError"] = (o, r) =>
        {
            var (rows, columns) = (Size(r), Size(r));
            o.Backend.SquaredError(
                o.Tensor(rows, columns), o.Tensor(rows, columns), 0.1f, o.Tensor(rows, columns), o.First);
        },
        ["CosineCrossEntropy"] = (o, r) => o.Backend.CosineCrossEntropy(
            o.Tensor(9, 33), o.Indices(Below(r, 9, 7)), o.Indices(Below(r, 9, 7)), 0.1f, o.Tensor(9, 33), o.First,
            o.Second),
        ["CosineDistance"] = (o, r) => o.Backend.CosineDistance(
            o.Tensor(9, 33), o.Indices(Below(r, 5, 7)), o.Indices([.. Below(r, 4, 7).Select(row => row + 5)]), 0.1f,
            o.Tensor(9, 33), o.First, o.Second),
        ["Adam"] = (o, r) =>
        {
            var (rows, columns, variance) = (Size(r), Size(r), default(Tensor));
            variance = o.Tensor(rows, columns);
            o.Backend.Fill(variance, 0.1f);
            o.Backend.Adam(
                o.Tensor(rows, columns), o.Tensor(rows, columns), o.Tensor(rows, columns), variance,
                new(0.01f, r.Next(1, 9), 0.9f, 0.999f, 1e-8f, 0.1f, IsDecoupled: r.Next(2) == 0, GradientScale: 0.5f));
        },
        ["SumOfSquares"] = (o, r) => o.Backend.SumOfSquares(o.Tensor(Size(r), Size(r)), o.First)
    };

    private static void Linear(Operands o, Random r)
    {
        var (inFeatures, outFeatures) = (Size(r), Size(r));
        PackedMask?[] masks = [null, o.Mask(outFeatures, inFeatures), o.Mask(outFeatures, inFeatures)];
        RowSegment[] segments =
            [.. Enumerable.Range(0, r.Next(6)).Select(_ => new RowSegment(r.Next(9), masks[r.Next(masks.Length)]))];
        var rows = segments.Length == 0 ? Size(r) : segments.Sum(segment => segment.Rows);
        o.Backend.Linear(
            o.Tensor(rows, inFeatures), o.Weight(outFeatures, inFeatures, (WeightFormat)r.Next(3)),
            r.Next(2) == 0 ? default : o.Tensor(1, outFeatures), segments, (Activation)r.Next(3),
            r.Next(2) == 0 ? default : o.Tensor(rows, outFeatures), o.Tensor(rows, outFeatures));
    }

    private static void Multiply(Operands o, Random r)
    {
        var (rows, terms, columns) = (Size(r), Size(r), Size(r));
        var transposed = (Transposed)r.Next(3);
        Tensor B() => transposed == Transposed.Right ? o.Tensor(columns, terms) : o.Tensor(terms, columns);
        o.Backend.Multiply(
            transposed == Transposed.Left ? o.Tensor(terms, rows) : o.Tensor(rows, terms), B(), transposed,
            r.Next(2) == 0 ? default : new(B(), 0.1f), r.Next(2) == 0 ? default : o.Tensor(1, columns),
            accumulate: r.Next(2) == 0, o.Tensor(rows, columns));
    }

    private static int Size(Random random) => random.Next(1, 70);

    private static Dropout Rate(Random random) => new(random.Next(2) * 0.3f, Key: (ulong)random.NextInt64());

    private static int[] Below(Random random, int end, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(end))];

    private static TokenIds[] Ids(Random random) =>
        [.. Enumerable.Range(0, Size(random)).Select(
            _ => new TokenIds(random.Next(9), random.Next(7), random.Next(2)))];

    private static int[] Spans(Random random, int rows, int count) =>
        [.. Enumerable.Range(0, count).SelectMany(_ =>
        {
            var begin = random.Next(rows);
            return (int[])[begin, random.Next(begin, rows) + 1];
        })];

    /// <summary>Few lengths, so that some are alike, one after another or not; some have no queries.</summary>
    private static (int[] Queries, int[] Keys, int Heads, int Hidden, AttentionKind Kind) Sequences(
        Random random)
    {
        var (queries, keys) = (new List<int> { 0 }, new List<int> { 0 });
        var kind = (AttentionKind)random.Next(2);
        var leastKeys = kind == AttentionKind.Causal ? 2 : 1; // As many as queries.
        for (var i = random.Next(1, 9); i > 0; i--)
        {
            queries.Add(queries[^1] + random.Next(3));
            keys.Add(keys[^1] + (random.Next(3) * 32) + leastKeys);
        }

        var heads = random.Next(1, 5);
        return ([.. queries], [.. keys], heads, heads * random.Next(1, 20), kind);
    }
}
