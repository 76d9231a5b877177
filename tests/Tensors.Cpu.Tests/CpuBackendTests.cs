using Serving.Tensors.Tests.Conformance;
using Serving.Testing;

namespace Serving.Tensors.Cpu.Tests;

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
    public void Trim_ReturnsWhatIsNotInUse()
    {
        const int Blocks = 4000;
        const long BlockBytes = 64 << 10; // Small enough to be kept for the next.
        using var backend = new CpuBackend(1);
        Tensor[] tensors =
            [.. Enumerable.Range(0, Blocks).Select(_ => backend.Allocate(1, (int)(BlockBytes / sizeof(float)) - 64))];
        using var kept = backend.Allocate(1, 4);
        kept.CopyFrom([1, 1, 1, 1]);
        foreach (var tensor in tensors)
            tensor.Dispose();
        var before = Environment.WorkingSet;

        backend.Trim();

        // Other tests of this process need less than the other half meanwhile.
        Assert.InRange(before - Environment.WorkingSet, Blocks * BlockBytes / 2, long.MaxValue);
        Assert.Equal([1, 1, 1, 1], kept.ToArray());
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
        int[] starts = [0, 13, 40];
        TokenIds[] tokens = [.. Enumerable.Repeat(new TokenIds(1, 2, 3), 40)];
        using var offsets = backend.AllocateIndices(3);
        using var firstRows = backend.AllocateIndices(2);
        using var ids = backend.AllocateIndices(3 * 40);
        void Run()
        {
            offsets.Write(starts);
            firstRows.Write(starts.AsSpan(0, 2));
            ids.WriteTokens(tokens);
            backend.EmbeddingSum(w, w, w, ids, x);
            backend.Linear(x, weight, vector, segments, Activation.Gelu, x, y);
            backend.Attention(x, offsets, x, x, offsets, heads: 2, y);
            backend.LayerNorm(y, vector, vector, 1e-5f, y);
            backend.GatherRows(y, firstRows, x.Slice(0, 2));
        }

        Assert.Equal(0, Allocations.OnceWarm(Run, runs: 20));
    }
}
