using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Cpu.Tests;

/// <summary>Embeddings are added in float, in their order, at every width.</summary>
public sealed class EmbeddingTests
{
    public static TheoryData<string> Widths => [.. CpuBackends.Widths];

    [Theory]
    [MemberData(nameof(Widths))]
    public void EmbeddingSum_AddsTokenThenPositionThenType(string width)
    {
        using var backend = CpuBackends.Backend(width, threads: 2);
        using var tokens = Values.Tensor(backend, 5, 21, Values.Random(105, seed: 4));
        using var positions = Values.Tensor(backend, 3, 21, Values.Random(63, seed: 5));
        using var types = Values.Tensor(backend, 2, 21, Values.Random(42, seed: 6));
        using var ids = Values.Tokens(backend, new TokenIds(4, 0, 1), new TokenIds(0, 2, 0), new TokenIds(4, 1, 1));
        using var output = backend.Allocate(3, 21);

        backend.EmbeddingSum(tokens, positions, types, ids, output);

        for (var row = 0; row < 3; row++)
        {
            var id = ids.Tokens[row];
            var (token, position) = (tokens.Slice(id.Token, 1).ToArray(), positions.Slice(id.Position, 1).ToArray());
            var type = types.Slice(id.Type, 1).ToArray();
            Assert.Equal(
                Enumerable.Range(0, 21).Select(i => token[i] + position[i] + type[i]), output.Slice(row, 1).ToArray());
        }
    }
}
