namespace Serving.Tensors;

/// <summary>Random numbers as a function of a key and a counter: they can be computed in any order.</summary>
public static class CounterRandom
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;
    private const double InverseOf2To53 = 1.0 / (1L << 53);

    /// <summary>64 random bits: output number `counter` of SplitMix64 (Steele, Lea and Flood 2014, fig. 11).</summary>
    public static ulong Bits(ulong key, ulong counter)
    {
        var z = key + ((counter + 1) * GoldenGamma);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>A key for one purpose, whose numbers are independent of those for other purposes.</summary>
    public static ulong Key(ulong seed, ulong purpose) => Bits(Bits(seed, 0), purpose);

    /// <summary>Uniform in [0, 1), a multiple of 2⁻⁵³.</summary>
    public static double Uniform(ulong key, ulong counter) => (Bits(key, counter) >> 11) * InverseOf2To53;

    /// <summary>From the standard normal distribution (Box and Muller 1958).</summary>
    public static double Normal(ulong key, ulong counter)
    {
        var radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(key, 2 * counter)));
        return radius * Math.Cos(2 * Math.PI * Uniform(key, (2 * counter) + 1));
    }

    /// <summary>The numbers 0 to count - 1 in random order (Fisher and Yates).</summary>
    public static int[] Permutation(int count, ulong key)
    {
        int[] order = [.. Enumerable.Range(0, count)];
        for (var i = count - 1; i > 0; i--)
        {
            var other = (int)(Uniform(key, (ulong)i) * (i + 1));
            (order[i], order[other]) = (order[other], order[i]);
        }

        return order;
    }
}
