using Serving.Tensors.Tests.Reference;

namespace Serving.Tensors.Tests.Conformance;

/// <summary>Operations on rows.</summary>
public abstract class RowSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void LayerNorm_AnyLength_MatchesTheFormula(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        foreach (var columns in Enumerable.Range(1, 50).Append(768))
        {
            const int rows = 19;
            var gamma = Values.Random(columns, seed: 1);
            var beta = Values.Random(columns, seed: 2);
            using var x = Values.Tensor(backend, rows, columns, Values.Random(rows * columns, seed: 3));
            using var gammaTensor = Values.Tensor(backend, 1, columns, gamma);
            using var betaTensor = Values.Tensor(backend, 1, columns, beta);
            using var output = backend.Allocate(rows, columns);

            backend.LayerNorm(x, gammaTensor, betaTensor, 1e-3f, output);

            for (var row = 0; row < rows; row++)
            {
                var expected = Oracle.LayerNorm(x.Slice(row, 1).ToArray(), gamma, beta, 1e-3f);
                var actual = output.Slice(row, 1).ToArray();
                for (var i = 0; i < columns; i++)
                    Assert.Equal(expected[i], actual[i], Tolerance.LayerNorm);
            }

            backend.LayerNorm(x, gammaTensor, betaTensor, 1e-3f, x);
            Assert.Equal(Values.Bits(output.ToArray()), Values.Bits(x.ToArray()));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void EmbeddingSum_OfAPackedTable_HasItsRowsAsProductsSeeThem(string name)
    {
        const int vocab = 70;
        const int hidden = 131; // Two blocks of int8, and three more.
        using var backend = TBackends.Create(name, threads: 2);
        using var dense = Values.Tensor(backend, vocab, hidden, Values.Random(vocab * hidden, seed: 7));
        using var zeros = backend.Allocate(1, hidden);
        using var ones = Values.Tensor(backend, hidden, hidden, [.. Enumerable.Range(0, hidden * hidden)
            .Select(i => i / hidden == i % hidden ? 1f : 0f)]);
        int[] rows = [0, 69, 31, 32, 64];
        using var ids = Values.Tokens(backend, [.. rows.Select(row => new TokenIds(row, 0, 0))]);
        foreach (var format in Enum.GetValues<WeightFormat>())
        {
            using var table = backend.PackWeight([dense], format);
            using var product = backend.Allocate(hidden, vocab);
            backend.Linear(ones, table, default, [], Activation.None, default, product); // Its transpose.
            using var output = backend.Allocate(rows.Length, hidden);

            backend.EmbeddingSum(table, zeros, zeros, ids, output);

            var (expected, actual) = (product.ToArray(), output.ToArray());
            for (var i = 0; i < actual.Length; i++)
                Assert.Equal(expected[(i % hidden * vocab) + rows[i / hidden]], actual[i]);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void EmbeddingSum_AddsTheThreeRows(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var tokens = Values.Tensor(backend, 5, 21, Values.Random(105, seed: 4));
        using var positions = Values.Tensor(backend, 3, 21, Values.Random(63, seed: 5));
        using var types = Values.Tensor(backend, 2, 21, Values.Random(42, seed: 6));
        TokenIds[] ids = [new(4, 0, 1), new(0, 2, 0), new(4, 1, 1)];
        using var output = backend.Allocate(ids.Length, 21);

        using var indices = Values.Tokens(backend, ids);
        backend.EmbeddingSum(tokens, positions, types, indices, output);

        double[] expected =
        [
            .. ids.SelectMany(id => Enumerable.Range(0, 21).Select(i =>
                (double)tokens.ToArray()[(id.Token * 21) + i]
                + positions.ToArray()[(id.Position * 21) + i]
                + types.ToArray()[(id.Type * 21) + i]))
        ];
        Derivative.AssertClose(expected, output.ToArray(), 2e-7);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void GatherRows_InAnyOrder_CopiesThem(string name)
    {
        using var backend = TBackends.Create(name, threads: 2);
        using var x = Values.Tensor(backend, 4, 37, Values.Random(4 * 37, seed: 7));
        using var rows = Values.Indices(backend, 3, 0, 3);
        using var output = backend.Allocate(3, 37);

        backend.GatherRows(x, rows, output);

        Assert.Equal(x.Slice(3, 1).ToArray(), output.Slice(0, 1).ToArray());
        Assert.Equal(x.Slice(0, 1).ToArray(), output.Slice(1, 1).ToArray());
        Assert.Equal(x.Slice(3, 1).ToArray(), output.Slice(2, 1).ToArray());
        rows.Write([3, 4, 0]);
        Assert.Throws<ShapeException>(() => backend.GatherRows(x, rows, output));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void MeanRows_RaggedSpans_AreMeans_AndOfOneRowTheRow(string name)
    {
        const int columns = 149;
        using var backend = TBackends.Create(name, threads: 2);
        var values = Values.Random(9 * columns, seed: 8);
        values[8 * columns] = -0f;
        using var x = Values.Tensor(backend, 9, columns, values);
        using var spans = Values.Indices(backend, 3, 9, 8, 9, 0, 4);
        using var output = backend.Allocate(3, columns);

        backend.MeanRows(x, spans, output);

        double Mean(int begin, int end, int column) =>
            Enumerable.Range(begin, end - begin).Average(row => (double)values[(row * columns) + column]);
        Derivative.AssertClose(
            [.. Enumerable.Range(0, columns).Select(column => Mean(3, 9, column)),
                .. Enumerable.Range(0, columns).Select(column => Mean(8, 9, column)),
                .. Enumerable.Range(0, columns).Select(column => Mean(0, 4, column))],
            output.ToArray(), 2e-7);
        Assert.Equal(x.Slice(8, 1).ToArray(), output.Slice(1, 1).ToArray());
        foreach (var wrong in new[] { [3, 3, 0, 1, 0, 1], [-1, 3, 0, 1, 0, 1], [3, 10, 0, 1, 0, 1], new[] { 0, 1 } })
        {
            spans.Write(wrong);
            Assert.Throws<ShapeException>(() => backend.MeanRows(x, spans, output));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Activations_FromTinyToHuge_MatchTheFormulas(string name)
    {
        using var backend = TBackends.Create(name);
        float[] inputs = [.. Enumerable.Range(-3000, 6001).Select(i => i / 375f), -1e30f, 1e30f, 1e-30f];
        using var one = Values.Tensor(backend, 1, 1, 1);
        using var weight = backend.PackWeight([one]);
        using var x = Values.Tensor(backend, inputs.Length, 1, inputs);
        using var output = backend.Allocate(inputs.Length, 1);
        foreach (var activation in Enum.GetValues<Activation>())
        {
            backend.Linear(x, weight, default, [], activation, default, output);
            var actual = output.ToArray();
            for (var i = 0; i < inputs.Length; i++)
            {
                var expected = (float)Formulas.Activate(inputs[i], activation);
                var tolerance = Math.Max(Tolerance.Activation, Math.Abs(expected) * 1e-6f);
                Assert.Equal(expected, actual[i], tolerance);
            }
        }
    }
}
