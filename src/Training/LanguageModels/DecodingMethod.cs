using System.Globalization;

namespace Serving.Training.LanguageModels;

/// <summary>How a token is chosen: from the model's distribution at a temperature, cut to its likeliest.</summary>
/// <param name="Temperature">What logits are divided by; 0 takes the likeliest token.</param>
/// <param name="TopK">How many tokens are kept, of equal ones those with the lower ids; 0 for all.</param>
/// <param name="TopP">
/// The smallest set of likeliest tokens with at least this probability is kept (Holtzman et al. 2020, sec. 3.1); 1 for
/// all.
/// </param>
public sealed record DecodingMethod(double Temperature, int TopK = 0, double TopP = 1)
{
    /// <summary>"greedy", "temperature 0.7, top-k 40", "sampling".</summary>
    public string Name
    {
        get
        {
            if (Temperature == 0)
                return "greedy";
            string[] parts =
            [
                .. Temperature == 1 ? [] : (string[])[Words($"temperature {Temperature}")],
                .. TopK == 0 ? [] : (string[])[Words($"top-k {TopK}")],
                .. TopP == 1 ? [] : (string[])[Words($"top-p {TopP}")]
            ];
            return parts.Length == 0 ? "sampling" : string.Join(", ", parts);
        }
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">Finite, one for each token.</param>
    /// <param name="uniform">A random number, 0 to below 1.</param>
    public int Choose(ReadOnlySpan<float> logits, double uniform)
    {
        if (Temperature == 0)
            return Largest(logits);
        var p = Probabilities(logits);
        if (TopK > 0 || TopP < 1)
            Cut(p);
        var rest = uniform * p.Sum();
        var last = -1;
        for (var id = 0; id < p.Length; id++)
        {
            if (p[id] == 0)
                continue;
            last = id;
            rest -= p[id];
            if (rest < 0)
                break;
        }

        return last;
    }

    /// <summary>The first of equal ones.</summary>
    internal static int Largest(ReadOnlySpan<float> logits)
    {
        var largest = 0;
        for (var i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[largest])
                largest = i;
        }

        return largest;
    }

    private double[] Probabilities(ReadOnlySpan<float> logits)
    {
        var largest = logits[Largest(logits)];
        var p = new double[logits.Length];
        for (var id = 0; id < p.Length; id++)
            p[id] = Math.Exp((logits[id] - largest) / Temperature);
        var sum = p.Sum();
        for (var id = 0; id < p.Length; id++)
            p[id] /= sum;
        return p;
    }

    /// <summary>Sets what is not kept to 0.</summary>
    private void Cut(double[] p)
    {
        int[] order = [.. Enumerable.Range(0, p.Length).OrderByDescending(id => p[id])]; // Stable: lower ids first.
        var most = TopK == 0 ? p.Length : Math.Min(TopK, p.Length);
        var (kept, mass) = (0, 0.0);
        while (kept < most && mass < TopP)
            mass += p[order[kept++]];
        foreach (var id in order.AsSpan(kept))
            p[id] = 0;
    }

    private static string Words(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
