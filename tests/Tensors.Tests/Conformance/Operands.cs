namespace Serving.Tensors.Tests.Conformance;

/// <summary>Operands of an operation on some backend: the same values on each, from how many came before.</summary>
internal sealed class Operands(TrainingBackend backend) : IDisposable
{
    private const int ValuesBesides = 3;

    private readonly List<IDisposable> _owned = [];
    private readonly List<Tensor> _tensors = [];
    private readonly ScalarBuffer _sums = backend.AllocateScalars(2);
    private int _seed;

    public TrainingBackend Backend => backend;

    public Scalar First => _sums[0];

    public Scalar Second => _sums[1];

    /// <summary>Random values in [-1, 1], in the middle of a wider tensor.</summary>
    public Tensor Tensor(int rows, int columns)
    {
        var wide = columns + (2 * ValuesBesides);
        var whole = Values.Tensor(backend, rows, wide, Values.Random(rows * wide, ++_seed));
        _owned.Add(whole);
        _tensors.Add(whole);
        return whole.SliceColumns(ValuesBesides, columns);
    }

    public IndexBuffer Indices(params int[] values) => Own(Values.Indices(backend, values));

    public IndexBuffer Tokens(params TokenIds[] ids) => Own(Values.Tokens(backend, ids));

    public PackedWeight Weight(int outFeatures, int inFeatures, WeightFormat format = WeightFormat.Float32) =>
        Own(backend.PackWeight([Tensor(outFeatures, inFeatures)], format));

    public PackedMask Mask(int outFeatures, int inFeatures)
    {
        var mask = Own(backend.AllocateMasks([(outFeatures, inFeatures)])).Masks[0];
        mask.Write(0, outFeatures, Values.RandomBits(outFeatures * inFeatures, keep: 0.7, ++_seed));
        return mask;
    }

    /// <summary>All tensors, with what lies beside the views, and the sums.</summary>
    public List<double[]> Results()
    {
        var sums = new double[2];
        _sums.Read(sums);
        return [.. _tensors.Select(tensor => tensor.ToArray().Select(value => (double)value).ToArray()), sums];
    }

    public void Dispose()
    {
        foreach (var owned in _owned)
            owned.Dispose();
        _sums.Dispose();
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
