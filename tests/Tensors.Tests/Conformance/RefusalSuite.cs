namespace Serving.Tensors.Tests.Conformance;

/// <summary>Operands that do not fit together are refused, before anything is computed.</summary>
public abstract class RefusalSuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void Operations_OperandsThatDoNotFit_SayWhatIsNeeded(string name)
    {
        using var backend = TBackends.Create(name);
        using var x = backend.Allocate(4, 768);
        using var w = backend.Allocate(512, 64);
        using var weight = backend.PackWeight([w]);
        using var output = backend.Allocate(4, 512);
        using var masks = backend.AllocateMasks([(512, 65)]);
        using var ids = Values.Tokens(backend, new TokenIds(512, 0, 0));
        using var offsets = Values.Indices(backend, 0, 2, 4);
        using var unevenOffsets = Values.Indices(backend, 0, 1, 4);
        using var emptyOffsets = Values.Indices(backend, 0, 4, 4);

        Assert.Equal(
            "Linear: inner dimensions differ: x is [4, 768], the weight is [512, 64] Float32.",
            Refusal(() => backend.Linear(x, weight, default, [], Activation.None, default, output)));
        var narrow = x.SliceColumns(0, 64);
        Assert.Equal(
            "Linear: the output is [4, 768]; [4, 512] is needed.",
            Refusal(() => backend.Linear(narrow, weight, default, [], Activation.None, default, x)));
        Assert.Equal(
            "Linear: the segments have 3 rows, x is [4, 64]; they must be as many.",
            Refusal(() => backend.Linear(narrow, weight, default, [new(3, null)], Activation.None, default, output)));
        Assert.Equal(
            "Linear: the mask is [512, 65] mask, the weight is [512, 64] Float32; they must be alike.",
            Refusal(() =>
                backend.Linear(narrow, weight, default, [new(4, masks.Masks[0])], Activation.None, default, output)));
        Assert.Equal(
            "EmbeddingSum: token 512 is not in the table [512, 64].",
            Refusal(() => backend.EmbeddingSum(w, w, w, ids, narrow.Slice(0, 1))));
        Assert.Equal(
            "Attention: sequence 1 has 0 rows; at least 1 are needed.",
            Refusal(() => backend.Attention(x, offsets, x, x, emptyOffsets, 12, x)));
        Assert.Equal(
            "Attention: sequence 1 has 3 queries and 2 keys; causal attention needs a key for each query.",
            Refusal(() => backend.Attention(
                x, unevenOffsets, x, x, offsets, 12, AttentionKind.Causal, default, x)));
        Assert.Equal("Slice: rows 3 to 5 are not in [4, 768].", Refusal(() => x.Slice(3, 2)));
        Assert.Equal(
            "PackWeight: [512, 64] and [4, 768] differ in input features.", Refusal(() => backend.PackWeight([w, x])));
    }

    private static string Refusal(Action action) => Assert.Throws<ShapeException>(action).Message;

    private static string Refusal(Func<object> action) => Assert.Throws<ShapeException>(action).Message;
}
