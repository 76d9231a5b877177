using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>Weights in 8 bits, with the numbers and scales of <see cref="Int8Blocks"/>; in an operation.</summary>
internal static class TorchInt8
{
    /// <param name="weights">[outFeatures, inFeatures] of float</param>
    /// <returns>Numbers [outFeatures, blocks, terms] of int8 and scales [outFeatures, blocks, 1] of float.</returns>
    /// <exception cref="NotFiniteNumberException">A weight is NaN or infinite.</exception>
    public static (torch.Tensor Numbers, torch.Tensor Scales) Quantize(torch.Tensor weights)
    {
        var notFinite = weights.isfinite().logical_not();
        if (notFinite.any().ToBoolean())
            throw Int8Blocks.NotFinite(weights[notFinite][0].ToDouble());
        var blocks = Int8Blocks.Count((int)weights.size(1));
        var padding = (blocks * Int8Blocks.Terms) - weights.size(1);
        var padded = torch.nn.functional.pad(weights, [0, padding]).view(-1, blocks, Int8Blocks.Terms);
        var largest = padded.abs().amax([2], keepdim: true);
        var scales = largest / torch.full_like(largest, Int8Blocks.Largest); // CUDA divides by a number less exactly.
        var numbers = (padded / scales).round().clamp(-Int8Blocks.Largest, Int8Blocks.Largest);
        return (numbers.masked_fill(scales.eq(0), 0).to(torch.ScalarType.Int8), scales);
    }

    /// <returns>[outFeatures, inFeatures] of float</returns>
    public static torch.Tensor Widen(torch.Tensor numbers, torch.Tensor scales, int inFeatures) =>
        (numbers.to(torch.ScalarType.Float32) * scales).flatten(1).narrow(1, 0, inFeatures);
}
