namespace Serving.Tensors;

/// <summary>
/// Weights in 8 bits: a whole number from -127 to 127 times a scale, which 64 inputs of an output feature share.
/// </summary>
/// <remarks>
/// The scale is the block's largest magnitude / 127 in float32, the number the nearest to weight / scale, ties to even.
/// A weight is off by half a scale at most. A block of zeros has a scale of 0.
/// </remarks>
public static class Int8Blocks
{
    /// <summary>Weights of an output feature that share a scale.</summary>
    public const int Terms = 64;

    /// <summary>The largest magnitude of a number; -128 is not used, so that the range is symmetric.</summary>
    public const int Largest = 127;

    /// <summary>Blocks of each output feature; the last may have fewer weights.</summary>
    public static int Count(int inFeatures) => (inFeatures + Terms - 1) / Terms;

    /// <summary>Rounds a block.</summary>
    /// <param name="weights">At most <see cref="Terms"/>.</param>
    /// <param name="numbers">Receives as many numbers.</param>
    /// <returns>The scale; 0 or more.</returns>
    /// <exception cref="NotFiniteNumberException">A weight is NaN or infinite.</exception>
    public static float Quantize(ReadOnlySpan<float> weights, Span<sbyte> numbers)
    {
        var largest = 0f;
        foreach (var weight in weights)
        {
            if (!float.IsFinite(weight))
                throw NotFinite(weight);
            largest = MathF.Max(largest, MathF.Abs(weight));
        }

        var scale = largest / Largest;
        for (var i = 0; i < weights.Length; i++)
        {
            // A scale without a full significand, below 2^-126, may be far enough off for more than 127.
            numbers[i] = scale == 0
                ? (sbyte)0
                : (sbyte)Math.Clamp(MathF.Round(weights[i] / scale), -Largest, Largest);
        }

        return scale;
    }

    /// <summary>What refuses a weight.</summary>
    public static NotFiniteNumberException NotFinite(double weight) => new(
        $"A weight is {weight}; {WeightFormat.Int8} keeps finite numbers only. Repair the model, or keep its weights "
        + $"as {WeightFormat.Float32} or {WeightFormat.BFloat16}.",
        weight);
}
