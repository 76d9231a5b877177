using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Testing;

/// <summary>A backend that lets forward passes begin only when a test says so, and can make them fail.</summary>
internal sealed class GatedBackend : TensorBackend
{
    private readonly TensorBackend _inner;
    private readonly ManualResetEventSlim _open;
    private readonly SemaphoreSlim _began;
    private readonly SemaphoreSlim _passOne;

    /// <param name="hasLanes">Whether it has the two lanes of two threads, both behind the gate.</param>
    public GatedBackend(bool hasLanes = false)
        : this(new CpuBackend(2), hasLanes)
    {
    }

    /// <param name="inner">What computes; this backend's from now on.</param>
    public GatedBackend(TensorBackend inner, bool hasLanes = false)
    {
        _inner = inner;
        _open = new(initialState: true);
        _began = new(0);
        _passOne = new(0);
        Lanes = hasLanes ? [.. _inner.Lanes.Select(lane => new GatedBackend(this, lane))] : [this];
    }

    private GatedBackend(GatedBackend whole, TensorBackend lane)
    {
        (_inner, _open, _began, _passOne) = (lane, whole._open, whole._began, whole._passOne);
        Lanes = [this];
    }

    public override IReadOnlyList<TensorBackend> Lanes { get; }

    public override string Description => _inner.Description;

    public override string Reason => _inner.Reason;

    public override long AllocatedBytes => _inner.AllocatedBytes;

    public override Determinism Determinism => _inner.Determinism;

    public override long WholeDeviceMultiplyAdds => _inner.WholeDeviceMultiplyAdds;

    public override int SliceFeatures => _inner.SliceFeatures;

    /// <summary>Tokens of the forward passes so far.</summary>
    public List<int> Passes { get; } = new(capacity: 4096); // Room, so that the loop allocates nothing on its account.

    /// <summary>A forward pass with this token fails.</summary>
    public int? PoisonToken { get; set; }

    /// <summary>Forward passes fail with it, as many as there are.</summary>
    public Queue<Exception> Failures { get; } = new();

    /// <summary>How often it was asked to give up what it keeps.</summary>
    public int Trims { get; private set; }

    public void Close() => _open.Reset();

    public void Open() => _open.Set();

    /// <summary>Lets one forward pass through that stands before the gate.</summary>
    public void OpenForOne() => _passOne.Release();

    /// <summary>Waits until a forward pass stands before the gate, or has gone through.</summary>
    public async Task PassBeganAsync() => Assert.True(await _began.WaitAsync(TimeSpan.FromMinutes(5)));

    /// <summary>Counts from here on.</summary>
    public void ForgetPasses()
    {
        lock (Passes)
            Passes.Clear();
        while (_began.Wait(0))
        {
        }
    }

    public override void EmbeddingSum(
        Tensor tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Enter(ids);
        _inner.EmbeddingSum(tokens, positions, types, ids, output);
    }

    public override void EmbeddingSum(
        PackedWeight tokens, Tensor positions, Tensor types, IndexBuffer ids, Tensor output)
    {
        Enter(ids);
        _inner.EmbeddingSum(tokens, positions, types, ids, output);
    }

    /// <summary>A pass stands before the gate.</summary>
    private void Enter(IndexBuffer ids)
    {
        lock (Passes)
            Passes.Add(ids.Tokens.Length);
        _began.Release();
        if (!_open.IsSet)
        {
            WaitHandle[] ways = [_open.WaitHandle, _passOne.AvailableWaitHandle];
            var way = WaitHandle.WaitAny(ways, TimeSpan.FromMinutes(5));
            Assert.NotEqual(WaitHandle.WaitTimeout, way);
            if (way == 1)
                _passOne.Wait();
        }

        if (Failures.TryDequeue(out var failure))
            throw failure;
        foreach (var id in ids.Tokens)
        {
            if (id.Token == PoisonToken)
                throw new InvalidOperationException("poison");
        }
    }

    public override void Trim()
    {
        Trims++;
        _inner.Trim();
    }

    public override Tensor Allocate(int rows, int columns) => _inner.Allocate(rows, columns);

    public override IndexBuffer AllocateIndices(int capacity) => _inner.AllocateIndices(capacity);

    public override TensorArena CreateArena() => _inner.CreateArena();

    public override PackedWeight PackWeight(ReadOnlySpan<Tensor> weights, WeightFormat format = WeightFormat.Float32) =>
        _inner.PackWeight(weights, format);

    public override MaskSet AllocateMasks(ReadOnlySpan<(int OutFeatures, int InFeatures)> shapes) =>
        _inner.AllocateMasks(shapes);

    public override void Linear(
        Tensor x,
        PackedWeight weight,
        Tensor bias,
        ReadOnlySpan<RowSegment> segments,
        Activation activation,
        Tensor residual,
        Tensor output) =>
        _inner.Linear(x, weight, bias, segments, activation, residual, output);

    public override void Project(Tensor x, Tensor weight, Tensor bias, Tensor output) =>
        _inner.Project(x, weight, bias, output);

    public override void LayerNorm(Tensor x, Tensor gamma, Tensor beta, float epsilon, Tensor output) =>
        _inner.LayerNorm(x, gamma, beta, epsilon, output);

    public override void Attention(
        Tensor query,
        IndexBuffer queryOffsets,
        Tensor key,
        Tensor value,
        IndexBuffer keyOffsets,
        int heads,
        Tensor output) =>
        _inner.Attention(query, queryOffsets, key, value, keyOffsets, heads, output);

    public override void Fill(Tensor x, float value) => _inner.Fill(x, value);

    public override void GatherRows(Tensor x, IndexBuffer rows, Tensor output) =>
        _inner.GatherRows(x, rows, output);

    public override void MeanRows(Tensor x, IndexBuffer spans, Tensor output) => _inner.MeanRows(x, spans, output);

    public override void ScatterRows(Tensor x, IndexBuffer rows, Tensor output) =>
        _inner.ScatterRows(x, rows, output);

    public override void CachedAttention(
        Tensor query, IndexBuffer queryOffsets, in CachedKeys cache, int heads, Tensor output) =>
        _inner.CachedAttention(query, queryOffsets, in cache, heads, output);

    public override void Lstm(
        Tensor gates, PackedWeight recurrent, IndexBuffer steps, Tensor hidden, Tensor cell, Tensor cells,
        Tensor output) =>
        _inner.Lstm(gates, recurrent, steps, hidden, cell, cells, output);

    public override void Dispose()
    {
        _inner.Dispose();
        _open.Dispose();
        _began.Dispose();
    }
}
