namespace Serving.Tensors;

/// <summary>How the values of a packed weight are kept.</summary>
public enum WeightFormat
{
    /// <summary>IEEE binary32, the exact values.</summary>
    Float32,

    /// <summary>bfloat16, rounded to nearest even: half the memory traffic, 8 bits of significand.</summary>
    BFloat16,

    /// <summary>
    /// 8 bits and a share of a scale, see <see cref="Int8Blocks"/>: about a quarter of the memory traffic. Products are
    /// of float32 all the same, with number times scale for a weight.
    /// </summary>
    Int8
}

/// <summary>What formats have in common.</summary>
public static class WeightFormats
{
    /// <summary>Bytes of so many weights: 4, 2, or 1 and a sixteenth each.</summary>
    public static long Bytes(this WeightFormat format, long weights) => format switch
    {
        WeightFormat.Float32 => weights * sizeof(float),
        WeightFormat.BFloat16 => weights * sizeof(ushort),
        WeightFormat.Int8 => weights + (weights * sizeof(float) / Int8Blocks.Terms),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such format.")
    };
}

/// <summary>A weight [outFeatures, inFeatures], laid out as its backend multiplies best. Immutable.</summary>
public abstract class PackedWeight : IDisposable
{
    protected PackedWeight(int outFeatures, int inFeatures, WeightFormat format)
    {
        OutFeatures = outFeatures;
        InFeatures = inFeatures;
        Format = format;
    }

    public int OutFeatures { get; }

    public int InFeatures { get; }

    public WeightFormat Format { get; }

    /// <summary>Bytes in memory.</summary>
    public abstract long Bytes { get; }

    /// <summary>Some of the output features, as a weight over the same memory; it need not be disposed.</summary>
    /// <param name="firstFeature">A multiple of <see cref="TensorBackend.SliceFeatures"/>.</param>
    /// <param name="features">1 or more.</param>
    /// <exception cref="ShapeException">They are not in the weight, or begin where no slice may.</exception>
    public abstract PackedWeight Slice(int firstFeature, int features);

    public abstract void Dispose();

    public override string ToString() => $"[{OutFeatures}, {InFeatures}] {Format}";

    /// <param name="multiple">Where a slice may begin.</param>
    protected void ThrowUnlessSlice(int firstFeature, int features, int multiple)
    {
        if (firstFeature < 0 || features < 1 || firstFeature > OutFeatures - features || firstFeature % multiple != 0)
        {
            throw new ShapeException(
                $"Slice: features {firstFeature} to {firstFeature + (long)features} of {this} are asked for; some that "
                + $"it has, from a multiple of {multiple} on, are needed.");
        }
    }
}
