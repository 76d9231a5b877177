using Serving.Tensors.Cpu;

namespace Serving.Tensors.Tests.Cpu;

public sealed class AttentionTests
{
    public static TheoryData<string, int, int> Shapes()
    {
        var shapes = new TheoryData<string, int, int>();
        foreach (var width in Values.WidthNames)
        {
            shapes.Add(width, 2, 32);
            shapes.Add(width, 3, 16);
            shapes.Add(width, 1, 64);
            shapes.Add(width, 4, 5);
        }

        return shapes;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Attention_RaggedBatch_MatchesTheFormula(string width, int heads, int headDim)
    {
        int[] lengths = [1, 2, 33, 7, 70];
        var hidden = heads * headDim;
        var offsets = Offsets(lengths);
        using var backend = Values.Backend(width, threads: 2);
        using var query = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 1));
        using var key = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 2));
        using var value = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 3));
        using var output = backend.Allocate(offsets[^1], hidden);

        backend.Attention(query, offsets, key, value, offsets, heads, output);

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
    [MemberData(nameof(Shapes))]
    public void Attention_OneQueryOfASequence_HasTheBitsOfTheWhole(string width, int heads, int headDim)
    {
        int[] lengths = [40, 3, 65];
        var hidden = heads * headDim;
        var offsets = Offsets(lengths);
        using var backend = Values.Backend(width);
        using var all = Values.Tensor(backend, offsets[^1], hidden, Values.Random(offsets[^1] * hidden, seed: 4));
        using var whole = backend.Allocate(offsets[^1], hidden);
        backend.Attention(all, offsets, all, all, offsets, heads, whole);

        using var first = backend.Allocate(lengths.Length, hidden);
        using var firstQueries = backend.Allocate(lengths.Length, hidden);
        backend.GatherRows(all, offsets[..^1], firstQueries);
        backend.Attention(firstQueries, [0, 1, 2, 3], all, all, offsets, heads, first);

        for (var i = 0; i < lengths.Length; i++)
        {
            Assert.Equal(
                Values.Bits(whole.Slice(offsets[i], 1).ToArray()),
                Values.Bits(first.Slice(i, 1).ToArray()));
        }
    }

    [Fact]
    public void Attention_LargeScores_StaysFinite()
    {
        using var backend = new CpuBackend(1);
        using var large = Values.Tensor(backend, 2, 4, 100, 100, 100, 100, -100, -100, -100, -100);
        using var output = backend.Allocate(2, 4);

        backend.Attention(large, [0, 2], large, large, [0, 2], heads: 1, output);

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
