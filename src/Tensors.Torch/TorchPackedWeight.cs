using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>A weight, row-major.</summary>
internal sealed class TorchPackedWeight : PackedWeight
{
    private readonly TorchMemory _memory;
    private readonly TorchMemory? _scales; // Of int8: [outFeatures, blocks, 1].
    private readonly MaskedWeights _masked;
    private readonly int _firstFeature;
    private readonly bool _isSlice;

    public TorchPackedWeight(
        TorchContext context, MaskedWeights masked, ReadOnlySpan<Tensor> weights, int outFeatures, WeightFormat format)
        : base(outFeatures, weights[0].Columns, format)
    {
        _masked = masked;
        using var operation = context.Begin();
        if (format == WeightFormat.Int8)
        {
            var (numbers, scales) = TorchInt8.Quantize(torch.cat([.. Views(weights)]));
            _memory = new(context.Ledger, numbers);
            _scales = new(context.Ledger, scales);
            IsFinite = true;
            return;
        }

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
        (_memory, _scales, _masked, IsFinite) = (whole._memory, whole._scales, whole._masked, whole.IsFinite);
        _isSlice = true;
        _firstFeature = whole._firstFeature + firstFeature;
    }

    /// <summary>Whether all are numbers: then a mask of 0 and 1 may multiply them.</summary>
    public bool IsFinite { get; }

    public override long Bytes => _memory.Bytes + (_scales?.Bytes ?? 0);

    /// <summary>[outFeatures, inFeatures], of float or bfloat16; in an operation.</summary>
    /// <remarks>Those of int8 are made each time.</remarks>
    public torch.Tensor Values => _scales is null
        ? _memory.Values.narrow(0, (long)_firstFeature * InFeatures, (long)OutFeatures * InFeatures)
            .view(OutFeatures, InFeatures)
        : TorchInt8.Widen(Numbers, Scales, InFeatures);

    private torch.Tensor Numbers => _memory.Values.narrow(0, _firstFeature, OutFeatures);

    private torch.Tensor Scales => _scales!.Values.narrow(0, _firstFeature, OutFeatures);

    public override PackedWeight Slice(int firstFeature, int features)
    {
        ThrowUnlessSlice(firstFeature, features, multiple: 1);
        return new TorchPackedWeight(this, firstFeature, features);
    }

    /// <summary>Some rows, of float; in an operation.</summary>
    /// <param name="rows">[rows]</param>
    public torch.Tensor Rows(torch.Tensor rows) => _scales is null
        ? Values.index_select(0, rows).to(torch.ScalarType.Float32)
        : TorchInt8.Widen(_memory.Values.index_select(0, rows), _scales.Values.index_select(0, rows), InFeatures);

    public override void Dispose()
    {
        _masked.Remove(this);
        if (_isSlice)
            return;
        _memory.Dispose();
        _scales?.Dispose();
    }

    private static List<torch.Tensor> Views(ReadOnlySpan<Tensor> weights)
    {
        var views = new List<torch.Tensor>();
        foreach (var weight in weights)
            views.Add(TorchBackend.View(weight));
        return views;
    }
}
