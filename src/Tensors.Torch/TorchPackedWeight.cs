using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>A weight, row-major.</summary>
internal sealed class TorchPackedWeight : PackedWeight
{
    private readonly TorchMemory _memory;
    private readonly MaskedWeights _masked;
    private readonly int _firstFeature;
    private readonly bool _isSlice;

    public TorchPackedWeight(
        TorchContext context, MaskedWeights masked, ReadOnlySpan<Tensor> weights, int outFeatures, WeightFormat format)
        : base(outFeatures, weights[0].Columns, format)
    {
        _masked = masked;
        using var operation = context.Begin();
        _memory = context.Allocate(
            (long)outFeatures * InFeatures,
            format == WeightFormat.BFloat16 ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32);
        var row = 0;
        foreach (var weight in weights)
        {
            Values.narrow(0, row, weight.Rows).copy_(TorchBackend.View(weight));
            row += weight.Rows;
        }

        IsFinite = Values.isfinite().all().ToBoolean();
    }

    private TorchPackedWeight(TorchPackedWeight whole, int firstFeature, int features)
        : base(features, whole.InFeatures, whole.Format)
    {
        (_memory, _masked, IsFinite) = (whole._memory, whole._masked, whole.IsFinite);
        _isSlice = true;
        _firstFeature = whole._firstFeature + firstFeature;
    }

    /// <summary>Whether all are numbers: then a mask of 0 and 1 may multiply them.</summary>
    public bool IsFinite { get; }

    public override long Bytes => _memory.Bytes;

    /// <summary>[outFeatures, inFeatures], of float or bfloat16; in an operation.</summary>
    public torch.Tensor Values =>
        _memory.Values.narrow(0, (long)_firstFeature * InFeatures, (long)OutFeatures * InFeatures)
            .view(OutFeatures, InFeatures);

    public override PackedWeight Slice(int firstFeature, int features)
    {
        ThrowUnlessSlice(firstFeature, features, multiple: 1);
        return new TorchPackedWeight(this, firstFeature, features);
    }

    public override void Dispose()
    {
        _masked.Remove(this);
        if (!_isSlice)
            _memory.Dispose();
    }
}
