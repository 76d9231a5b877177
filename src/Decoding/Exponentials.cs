using System.Numerics;
using System.Runtime.InteropServices;

namespace Serving.Decoding;

/// <summary>Loops over logits.</summary>
internal static class Exponentials
{
    /// <summary>weights = exp((logits - largest) / temperature), in double.</summary>
    public static void Fill(ReadOnlySpan<float> logits, float largest, double temperature, Span<double> weights)
    {
        var subtracted = new Vector<double>(largest);
        var divisor = new Vector<double>(temperature);
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        var halves = MemoryMarshal.Cast<double, Vector<double>>(weights);
        for (var at = 0; at < vectors.Length; at++)
        {
            Vector.Widen(vectors[at], out var low, out var high);
            halves[2 * at] = Vector.Exp((low - subtracted) / divisor);
            halves[(2 * at) + 1] = Vector.Exp((high - subtracted) / divisor);
        }

        // As above, whose last bit Math.Exp has otherwise: equal logits have equal weights, wherever they are.
        for (var i = vectors.Length * Vector<float>.Count; i < logits.Length; i++)
            weights[i] = Vector.Exp((new Vector<double>(logits[i]) - subtracted) / divisor)[0];
    }
}
