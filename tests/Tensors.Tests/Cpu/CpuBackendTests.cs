using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Tensors.Tests.Cpu;

public sealed class CpuBackendTests
{
    [Fact]
    public void AllocatedBytes_FallToZero_WhenAllIsDisposed()
    {
        using var backend = new CpuBackend(1);
        var small = backend.Allocate(3, 5);
        var large = backend.Allocate(1000, 1000);
        var weight = backend.PackWeight([large]);
        var masks = backend.AllocateMasks([(1000, 1000)]);
        Assert.InRange(backend.AllocatedBytes, 2 * 4_000_000, 9_000_000);
        Assert.InRange(masks.Bytes, 125_000, 262_144);

        small.Dispose();
        large.Dispose();
        large.Dispose(); // A second time is ignored.
        weight.Dispose();
        masks.Dispose();

        Assert.Equal(0, backend.AllocatedBytes);
    }

    [Fact]
    public void Allocate_AfterUse_IsZeroAgain()
    {
        using var backend = new CpuBackend(1);
        for (var i = 0; i < 3; i++)
        {
            using var tensor = backend.Allocate(2, 3);
            Assert.All(tensor.ToArray(), value => Assert.Equal(0, value));
            tensor.CopyFrom([1, 2, 3, 4, 5, 6]);
        }
    }

    [Fact]
    public void DisposedTensor_IsRefused()
    {
        using var backend = new CpuBackend(1);
        var tensor = backend.Allocate(2, 3);
        tensor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.ToArray());
    }

    [Fact]
    public void Operations_OperandsThatDoNotFit_SayWhatIsNeeded()
    {
        using var backend = new CpuBackend(1);
        using var x = backend.Allocate(4, 768);
        using var w = backend.Allocate(512, 64);
        using var weight = backend.PackWeight([w]);
        using var output = backend.Allocate(4, 512);
        using var masks = backend.AllocateMasks([(512, 65)]);

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
            Refusal(() => backend.EmbeddingSum(w, w, w, [new(512, 0, 0)], narrow.Slice(0, 1))));
        Assert.Equal(
            "Attention: sequence 1 has 0 rows; at least 1 are needed.",
            Refusal(() => backend.Attention(x, [0, 2, 4], x, x, [0, 4, 4], 12, x)));
        Assert.Equal("Slice: rows 3 to 5 are not in [4, 768].", Refusal(() => x.Slice(3, 2)));
        Assert.Equal(
            "PackWeight: [512, 64] and [4, 768] differ in input features.", Refusal(() => backend.PackWeight([w, x])));
    }

    [Fact]
    public void Operations_OnceWarm_AllocateNothing()
    {
        using var backend = new CpuBackend(2);
        using var x = backend.Allocate(40, 64);
        using var y = backend.Allocate(40, 64);
        using var w = backend.Allocate(64, 64);
        using var weight = backend.PackWeight([w]);
        using var vector = backend.Allocate(1, 64);
        using var masks = backend.AllocateMasks([(64, 64)]);
        RowSegment[] segments = [new(10, null), new(30, masks.Masks[0])];
        int[] offsets = [0, 13, 40];
        TokenIds[] ids = [.. Enumerable.Repeat(new TokenIds(1, 2, 3), 40)];
        void Run()
        {
            backend.EmbeddingSum(w, w, w, ids, x);
            backend.Linear(x, weight, vector, segments, Activation.Gelu, x, y);
            backend.Attention(x, offsets, x, x, offsets, heads: 2, y);
            backend.LayerNorm(y, vector, vector, 1e-5f, y);
            backend.GatherRows(y, offsets.AsSpan(0, 2), x.Slice(0, 2));
        }

        Assert.Equal(0, Allocations.OnceWarm(Run, runs: 20));
    }

    private static string Refusal(Action action) => Assert.Throws<ShapeException>(action).Message;

    private static string Refusal(Func<object> action) => Assert.Throws<ShapeException>(action).Message;
}
