namespace Serving.Tensors.Tests.Conformance;

/// <summary>Tensors, arenas, index buffers and copies to and from them.</summary>
public abstract class MemorySuite<TBackends>
    where TBackends : ITestBackends
{
    public static TheoryData<string> Names => [.. TBackends.Names];

    [Theory]
    [MemberData(nameof(Names))]
    public void AllocatedBytes_FallToZero_WhenAllIsDisposed(string name)
    {
        using var backend = TBackends.Create(name);
        var tensor = backend.Allocate(30, 50);
        var weight = backend.PackWeight([tensor]);
        var masks = backend.AllocateMasks([(30, 50)]);
        var indices = backend.AllocateIndices(1000);
        Assert.True(backend.AllocatedBytes >= (2 * 30 * 50 * 4) + masks.Bytes + 4000);
        Assert.True(tensor.Storage.Bytes >= 6000 && weight.Bytes >= 6000 && masks.Bytes >= 188);
        Assert.True(indices.Bytes >= 4000);

        tensor.Dispose();
        tensor.Dispose(); // A second time is ignored.
        weight.Dispose();
        masks.Dispose();
        indices.Dispose();

        Assert.Equal(0, backend.AllocatedBytes);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Allocate_AfterUse_IsZeroAgain(string name)
    {
        using var backend = TBackends.Create(name);
        for (var i = 0; i < 3; i++)
        {
            using var tensor = backend.Allocate(2, 3);
            Assert.All(tensor.ToArray(), value => Assert.Equal(0, value));
            tensor.CopyFrom([1, 2, 3, 4, 5, 6]);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void DisposedTensor_IsRefused(string name)
    {
        using var backend = TBackends.Create(name);
        var tensor = backend.Allocate(2, 3);
        tensor.Dispose();
        Assert.Throws<ObjectDisposedException>(() => tensor.ToArray());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Copies_OfViews_TouchNothingBesides(string name)
    {
        using var backend = TBackends.Create(name);
        using var whole = Values.Tensor(backend, 4, 6, [.. Enumerable.Range(0, 24).Select(i => (float)i)]);
        var view = whole.Slice(1, 2).SliceColumns(2, 3);

        Assert.Equal([8, 9, 10, 14, 15, 16], view.ToArray());
        view.CopyFrom([-1, -2, -3, -4, -5, -6]);

        Assert.Equal(
            [
                0, 1, 2, 3, 4, 5,
                6, 7, -1, -2, -3, 11,
                12, 13, -4, -5, -6, 17,
                18, 19, 20, 21, 22, 23
            ],
            whole.ToArray());
        Assert.Equal(
            "Copy: 5 values came for [2, 3], which has 6.",
            Assert.Throws<ShapeException>(() => view.CopyFrom(new float[5])).Message);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Storage_RowsOutside_AreRefused(string name)
    {
        using var backend = TBackends.Create(name);
        using var tensor = backend.Allocate(2, 3);
        var elements = (int)(tensor.Storage.Bytes / sizeof(float));
        Assert.Throws<ShapeException>(() => tensor.Storage.Read(-1, 1, 1, 1, new float[1]));
        Assert.Throws<ShapeException>(() => tensor.Storage.Read(elements, 1, 1, 1, new float[1]));
        Assert.Throws<ShapeException>(() => tensor.Storage.Write(0, 2, 1, elements, new float[2]));
        Assert.Throws<ShapeException>(() => tensor.Storage.Write(0, 1, 2, 1, new float[2]));
        tensor.Storage.Write(elements, 0, 1, 1, []);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void IndexBuffer_HoldsWhatWasWrittenLast(string name)
    {
        using var backend = TBackends.Create(name);
        using var indices = backend.AllocateIndices(6);
        Assert.True(indices.Values.IsEmpty);
        indices.Write([5, 4, 3, 2]);
        indices.Write([7, 8]);
        Assert.Equal([7, 8], indices.Values.ToArray());
        indices.WriteTokens([new(1, 2, 3), new(4, 5, 6)]);
        Assert.Equal([1, 2, 3, 4, 5, 6], indices.Values.ToArray());
        Assert.Equal([new(1, 2, 3), new(4, 5, 6)], indices.Tokens.ToArray());
        Assert.Equal(
            "Indices: 7 values came; there is room for 6.",
            Assert.Throws<ShapeException>(() => indices.Write(new int[7])).Message);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Arena_WhatIsRented_LivesUntilReset(string name)
    {
        using var backend = TBackends.Create(name);
        var arena = backend.CreateArena();
        for (var step = 1; step <= 3; step++)
        {
            var first = arena.Rent(3, 5);
            var second = arena.Rent(1, 70);
            backend.Fill(first, step);
            backend.Fill(second, -step);
            var few = arena.RentIndices([step]);
            var many = arena.RentIndices(new int[step * 100]);
            Assert.All(first.ToArray(), value => Assert.Equal(step, value));
            Assert.All(second.ToArray(), value => Assert.Equal(-step, value));
            Assert.Equal([step], few.Values.ToArray());
            Assert.Equal(step * 100, many.Values.Length);
            arena.Reset();
        }

        arena.Dispose();
        Assert.Equal(0, backend.AllocatedBytes);
    }
}
