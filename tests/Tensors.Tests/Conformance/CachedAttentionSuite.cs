namespace Serving.Tensors.Tests.Conformance;

/// <summary>Causal attention over blocks of cached keys.</summary>
public abstract class CachedAttentionSuite<TBackends>
    where TBackends : ITestBackends
{
    private const int BlockRows = 16;

    public static TheoryData<string> Names => [.. TBackends.Names];

    public static TheoryData<string, int, int> Heads()
    {
        var shapes = new TheoryData<string, int, int>();
        foreach (var name in TBackends.Names)
        {
            shapes.Add(name, 2, 32);
            shapes.Add(name, 1, 64);
            shapes.Add(name, 3, 80);
            shapes.Add(name, 4, 5);
        }

        return shapes;
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void CachedAttention_EachToken_SeesThoseUpToItself(string name, int heads, int headDim)
    {
        const int tokens = 70;
        using var backend = TBackends.Create(name, threads: 2);
        using var operands = new Cached(backend, tokens, heads * headDim);

        var output = operands.Run(heads, [tokens]);

        for (var head = 0; head < heads; head++)
        {
            for (var i = 0; i < tokens; i++)
            {
                var expected = Oracle.Attention(
                    [operands.Query(i, head * headDim, headDim)],
                    [.. Enumerable.Range(0, i + 1).Select(j => operands.Key(j, head * headDim, headDim))],
                    [.. Enumerable.Range(0, i + 1).Select(j => operands.Value(j, head * headDim, headDim))])[0];
                var actual = output.AsSpan((i * heads * headDim) + (head * headDim), headDim);
                for (var d = 0; d < headDim; d++)
                    Assert.Equal(expected[d], actual[d], Tolerance.Attention);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Heads))]
    public void CachedAttention_InAnyChunks_HasTheBitsOfTheWhole(string name, int heads, int headDim)
    {
        const int tokens = 50;
        using var backend = TBackends.Create(name, threads: 2);
        using var operands = new Cached(backend, tokens, heads * headDim);
        var whole = operands.Run(heads, [tokens]);
        foreach (var chunks in (int[][])[[49, 1], [1, 16, 33], [17, 1, 1, 31], [.. Enumerable.Repeat(1, tokens)]])
        {
            Values.AssertSame(
                backend, Determinism.BatchInvariant, whole, operands.Run(heads, chunks), Tolerance.Attention);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void CachedAttention_OperandsThatDoNotFit_SayWhatIsNeeded(string name)
    {
        using var backend = TBackends.Create(name);
        using var x = backend.Allocate(4, 8);
        using var keys = backend.Allocate(32, 8);
        using var output = backend.Allocate(4, 8);
        using var offsets = Values.Indices(backend, 0, 4);
        using var blocks = Values.Indices(backend, 1);
        using var blockOffsets = Values.Indices(backend, 0, 1);
        using var counts = Values.Indices(backend, 17);
        using var wrongBlocks = Values.Indices(backend, 2);
        using var fewRows = Values.Indices(backend, 0, 1, 2);
        var cache = new CachedKeys(keys, keys, blocks, blockOffsets, counts, BlockRows);

        Assert.Equal(
            "CachedAttention: sequence 0 has 17 keys; 4, its queries, to 16, what its blocks hold, are needed.",
            Refusal(cache));
        Assert.Equal(
            "CachedAttention: block 2 is not among the 2 of the cache.", Refusal(cache with { Blocks = wrongBlocks }));
        Assert.Equal(
            "ScatterRows: [4, 8] goes to 3 rows of [4, 8]; as many rows and columns are needed.",
            Assert.Throws<ShapeException>(() => backend.ScatterRows(x, fewRows, output)).Message);

        string Refusal(CachedKeys bad) => Assert.Throws<ShapeException>(
            () => backend.CachedAttention(x, offsets, bad, heads: 2, output)).Message;
    }

    /// <summary>One sequence, whose blocks lie in no order among others.</summary>
    private sealed class Cached : IDisposable
    {
        private readonly TensorBackend _backend;
        private readonly Tensor _query;
        private readonly Tensor _keys;
        private readonly Tensor _values;
        private readonly int[] _blocks;

        public Cached(TensorBackend backend, int tokens, int hidden)
        {
            _backend = backend;
            var count = (tokens + BlockRows - 1) / BlockRows;
            _blocks = [.. Enumerable.Range(0, count).Select(i => (2 * (count - i)) - 1)];
            var rows = 2 * count * BlockRows;
            _query = Values.Tensor(backend, tokens, hidden, Values.Random(tokens * hidden, seed: 1));
            _keys = Values.Tensor(backend, rows, hidden, Values.Random(rows * hidden, seed: 2));
            _values = Values.Tensor(backend, rows, hidden, Values.Random(rows * hidden, seed: 3));
        }

        public float[] Query(int token, int column, int columns) => Part(_query, token, column, columns);

        public float[] Key(int token, int column, int columns) => Part(_keys, Row(token), column, columns);

        public float[] Value(int token, int column, int columns) => Part(_values, Row(token), column, columns);

        /// <summary>Attention of all tokens, in some calls.</summary>
        public float[] Run(int heads, int[] chunks)
        {
            using var output = _backend.Allocate(_query.Rows, _query.Columns);
            var done = 0;
            foreach (var chunk in chunks)
            {
                using var offsets = Values.Indices(_backend, 0, chunk);
                using var blocks = Values.Indices(_backend, _blocks);
                using var blockOffsets = Values.Indices(_backend, 0, _blocks.Length);
                using var counts = Values.Indices(_backend, done + chunk);
                _backend.CachedAttention(
                    _query.Slice(done, chunk), offsets, new(_keys, _values, blocks, blockOffsets, counts, BlockRows),
                    heads, output.Slice(done, chunk));
                done += chunk;
            }

            return output.ToArray();
        }

        public void Dispose()
        {
            _query.Dispose();
            _keys.Dispose();
            _values.Dispose();
        }

        private int Row(int token) => (_blocks[token / BlockRows] * BlockRows) + (token % BlockRows);

        private static float[] Part(Tensor tensor, int row, int column, int columns) =>
            tensor.Slice(row, 1).SliceColumns(column, columns).ToArray();
    }
}
