namespace Serving.Tensors.Tests.Conformance;

/// <summary>Attention of ragged batches.</summary>
public abstract class AttentionSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    public static TheoryData<string, int, int> Heads()
    {
        var shapes = new TheoryData<string, int, int>();
        foreach (var name in TBackends.Names)
        {
            shapes.Add(name, 2, 32);
            shapes.Add(name, 3, 16);
            shapes.Add(name, 1, 64);
            shapes.Add(name, 4, 5);
        }

        return shapes;
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Attention_RaggedBatch_MatchesTheFormula(string name, int heads, int headDim)
    {
        int[] lengths = [1, 2, 33, 7, 70];
        var hidden = heads * headDim;
        var offsets = Offsets(lengths);
        using var backend = TBackends.Create(name, threads: 2);
        using var query = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 1));
        using var key = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 2));
        using var value = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 3));
        using var output = backend.Allocate(offsets[^1], hidden);

        using var indices = Values.Indices(backend, offsets);
        backend.Attention(query, indices, key, value, indices, heads, output);

        for (var sequence = 0; sequence < lengths.Length; sequence++)
        {
            for (var head = 0; head < heads; head++)
            {
                var expected = Oracle.Attention(
                    Rows(query, offsets, sequence, head, headDim),
                    Rows(key, offsets, sequence, head, headDim),
                    Rows(value, offsets, sequence, head, headDim));
                var actual = Rows(output, offsets, sequence, head, headDim);
                for (var row = 0; row < expected.Length; row++)
                {
                    for (var d = 0; d < headDim; d++)
                        Assert.Equal(expected[row][d], actual[row][d], Tolerance.Attention);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void Attention_OneQueryOfASequence_HasTheBitsOfTheWhole(string name, int heads, int headDim)
    {
        int[] lengths = [40, 3, 65];
        var hidden = heads * headDim;
        var offsets = Offsets(lengths);
        using var backend = TBackends.Create(name);
        using var all = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 4));
        using var whole = backend.Allocate(offsets[^1], hidden);
        using var indices = Values.Indices(backend, offsets);
        backend.Attention(all, indices, all, all, indices, heads, whole);

        using var firstRows = Values.Indices(backend, offsets[..^1]);
        using var firstOffsets = Values.Indices(backend, 0, 1, 2, 3);
        using var first = backend.Allocate(lengths.Length, hidden);
        using var firstQueries = backend.Allocate(lengths.Length, hidden);
        backend.GatherRows(all, firstRows, firstQueries);
        backend.Attention(firstQueries, firstOffsets, all, all, indices, heads, first);

        for (var i = 0; i < lengths.Length; i++)
        {
            Values.AssertSame(
                backend, Determinism.BatchInvariant, whole.Slice(offsets[i], 1).ToArray(),
                first.Slice(i, 1).ToArray(), Tolerance.Attention);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Attention_LargeScores_StaysFinite(string name)
    {
        using var backend = TBackends.Create(name);
        using var large = Values.Tensor(backend, 2, 4, 100, 100, 100, 100, -100, -100, -100, -100);
        using var output = backend.Allocate(2, 4);
        using var offsets = Values.Indices(backend, 0, 2);

        backend.Attention(large, offsets, large, large, offsets, heads: 1, output);

        Assert.Equal([100, 100, 100, 100, -100, -100, -100, -100], output.ToArray());
    }

    private static int[] Offsets(int[] lengths)
    {
        var offsets = new int[lengths.Length + 1];
        for (var i = 0; i < lengths.Length; i++)
            offsets[i + 1] = offsets[i] + lengths[i];
        return offsets;
    }

    private static float[][] Rows(Tensor tensor, int[] offsets, int sequence, int head, int headDim) =>
    [
        .. Enumerable.Range(offsets[sequence], offsets[sequence + 1] - offsets[sequence])
            .Select(row => tensor.Slice(row, 1).SliceColumns(head * headDim, headDim).ToArray())
    ];
}
