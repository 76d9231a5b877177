namespace Serving.Tensors.Tests.Conformance;

/// <summary>Attention with dropout, and its gradients against central differences of the formula in double.</summary>
public abstract class AttentionGradientSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string, int, int, float, AttentionKind> Heads()
    {
        var heads = new TheoryData<string, int, int, float, AttentionKind>();
        foreach (var name in TBackends.Names)
        {
            foreach (var kind in Enum.GetValues<AttentionKind>())
            {
                heads.Add(name, 2, 5, 0f, kind);
                heads.Add(name, 1, 32, 0f, kind);
                heads.Add(name, 2, 5, 0.25f, kind);
            }
        }

        return heads;
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void AttentionGradient_RaggedBatch_MatchesTheDerivative(
        string name, int heads, int headDim, float rate, AttentionKind kind)
    {
        int[] queryOffsets = [0, 3, 3, 4, 37];
        int[] keyOffsets = [0, 4, 6, 11, 44];
        if (headDim > 5)
            (queryOffsets, keyOffsets) = ([0, 2, 5], [0, 3, 6]); // Differences of many values take long.
        var (queries, keys, hidden) = (queryOffsets[^1], keyOffsets[^1], heads * headDim);
        using var backend = TBackends.Create(name, threads: 2);
        var dropout = new Dropout(rate, Key: 7);
        var (qs, ks, vs) =
            (Values.Random(queries * hidden, 1), Values.Random(keys * hidden, 2), Values.Random(keys * hidden, 3));
        var weights = Values.Random(queries * hidden, 4);
        using var query = Values.Tensor(backend, queries, hidden, qs);
        using var key = Values.Tensor(backend, keys, hidden, ks);
        using var value = Values.Tensor(backend, keys, hidden, vs);
        using var outputGradient = Values.Tensor(backend, queries, hidden, weights);
        using var output = backend.Allocate(queries, hidden);
        using var queryGradient = backend.Allocate(queries, hidden);
        using var keyGradient = Values.Tensor(backend, keys, hidden, Values.Random(keys * hidden, 5));
        using var valueGradient = Values.Tensor(backend, keys, hidden, Values.Random(keys * hidden, 6));

        using var ofQueries = Values.Indices(backend, queryOffsets);
        using var ofKeys = Values.Indices(backend, keyOffsets);
        backend.Attention(query, ofQueries, key, value, ofKeys, heads, kind, dropout, output);
        backend.AttentionGradient(
            query, ofQueries, key, value, ofKeys, heads, kind, dropout, outputGradient, queryGradient, keyGradient,
            valueGradient);

        double[] Formula(IEnumerable<double> q, IEnumerable<double> k, IEnumerable<double> v) =>
            Attend([.. q], [.. k], [.. v], queryOffsets, keyOffsets, heads, headDim, kind, dropout);
        Derivative.AssertClose(Formula(Doubles(qs), Doubles(ks), Doubles(vs)), output.ToArray(), 2e-6);
        Derivative.AssertClose(
            Derivative.Of(q => Formula(q, Doubles(ks), Doubles(vs)), qs, weights), queryGradient.ToArray(), 1e-5);
        Derivative.AssertClose(
            Derivative.Of(k => Formula(Doubles(qs), k, Doubles(vs)), ks, weights), keyGradient.ToArray(), 1e-5);
        Derivative.AssertClose(
            Derivative.Of(v => Formula(Doubles(qs), Doubles(ks), v), vs, weights), valueGradient.ToArray(), 1e-5);
    }

    private static IEnumerable<double> Doubles(float[] values) => values.Select(value => (double)value);

    /// <summary>Attention of all heads of all sequences, with dropout of its weights.</summary>
    private static double[] Attend(
        double[] q, double[] k, double[] v, int[] queryOffsets, int[] keyOffsets, int heads, int headDim,
        AttentionKind kind, Dropout dropout)
    {
        var hidden = heads * headDim;
        var output = new double[q.Length];
        for (var sequence = 0; sequence + 1 < keyOffsets.Length; sequence++)
        {
            var (firstKey, keys) = (keyOffsets[sequence], keyOffsets[sequence + 1] - keyOffsets[sequence]);
            var (firstQuery, queries) = (queryOffsets[sequence], queryOffsets[sequence + 1] - queryOffsets[sequence]);
            for (var head = 0; head < heads; head++)
            {
                var own = dropout with { Key = CounterRandom.Bits(dropout.Key, (ulong)((sequence * heads) + head)) };
                var factors = Oracle.Factors(own, queries, (keys + 31) / 32 * 32);
                for (var row = 0; row < queries; row++)
                {
                    var ofQuery = (firstQuery + row) * hidden;
                    var seen = kind == AttentionKind.Causal ? keys - queries + row + 1 : keys;
                    double[] scores = [.. Enumerable.Range(0, seen).Select(j =>
                        Enumerable.Range(head * headDim, headDim)
                            .Sum(d => q[ofQuery + d] * k[((firstKey + j) * hidden) + d]) / Math.Sqrt(headDim))];
                    var sum = scores.Sum(Math.Exp);
                    for (var j = 0; j < seen; j++)
                    {
                        var ofKey = (firstKey + j) * hidden;
                        var factor = dropout.Rate > 0 ? factors[(row * ((keys + 31) / 32 * 32)) + j] : 1;
                        for (var d = head * headDim; d < (head + 1) * headDim; d++)
                            output[ofQuery + d] += Math.Exp(scores[j]) / sum * factor * v[ofKey + d];
                    }
                }
            }
        }

        return output;
    }
}
