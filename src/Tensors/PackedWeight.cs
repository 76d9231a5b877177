namespace Serving.Tensors;

/// <summary>How the values of a packed weight are kept.</summary>
public enum WeightFormat
{
    /// <summary>IEEE binary32, the exact values.</summary>
    Float32,

    /// <summary>bfloat16, rounded to nearest even: half the memory traffic, 8 bits of significand.</summary>
    BFloat16
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

    public abstract void Dispose();

    public override string ToString() => $"[{OutFeatures}, {InFeatures}] {Format}";
}
