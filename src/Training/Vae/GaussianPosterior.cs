using Serving.Tensors;

namespace Serving.Training.Vae;

/// <summary>Diagonal Gaussians, one a text: what is believed of its latent (Kingma and Welling 2014, sec. 3).</summary>
/// <param name="statistics">[texts, 2 latent]: means, and logarithms of variances.</param>
/// <param name="latent">Dimensions.</param>
public sealed class GaussianPosterior(float[] statistics, int latent)
{
    private static readonly double LogTwoPi = Math.Log(2 * Math.PI);

    public int Texts => statistics.Length / (2 * latent);

    public int Latent => latent;

    public double Mean(int text, int dimension) => statistics[(2 * latent * text) + dimension];

    public double LogVariance(int text, int dimension) => statistics[(2 * latent * text) + latent + dimension];

    /// <summary>KL(q ‖ N(0, 1)) of a dimension, in nats (appendix B).</summary>
    public double Divergence(int text, int dimension)
    {
        var (mean, logVariance) = (Mean(text, dimension), LogVariance(text, dimension));
        return ((mean * mean) + Math.Exp(logVariance) - logVariance - 1) / 2;
    }

    /// <summary>That of all dimensions.</summary>
    public double Divergence(int text) => Enumerable.Range(0, latent).Sum(d => Divergence(text, d));

    /// <summary>μ + σ ε of a dimension.</summary>
    /// <param name="noise">ε</param>
    public double Draw(int text, int dimension, double noise) =>
        Mean(text, dimension) + (Math.Exp(LogVariance(text, dimension) / 2) * noise);

    /// <summary>ln q(z) of one text.</summary>
    public double LogDensity(int text, ReadOnlySpan<double> z)
    {
        var sum = latent * LogTwoPi;
        for (var d = 0; d < latent; d++)
        {
            var distance = z[d] - Mean(text, d);
            sum += LogVariance(text, d) + (distance * distance / Math.Exp(LogVariance(text, d)));
        }

        return -sum / 2;
    }

    /// <summary>ln of N(0, 1) in all dimensions.</summary>
    public static double LogPrior(ReadOnlySpan<double> z)
    {
        var sum = z.Length * LogTwoPi;
        foreach (var value in z)
            sum += value * value;
        return -sum / 2;
    }

    /// <summary>
    /// The mutual information of text and latent, E KL(q(z|x) ‖ q(z)), in nats, with one draw a text and the mean of
    /// all texts' Gaussians for q(z) (Hoffman and Johnson 2016; He et al. 2019, sec. 4.2): at most the logarithm of how
    /// many texts there are.
    /// </summary>
    /// <param name="key">What is drawn follows from it.</param>
    public double MutualInformation(ulong key)
    {
        var (total, z, densities) = (0.0, new double[latent], new double[Texts]);
        for (var text = 0; text < Texts; text++)
        {
            for (var d = 0; d < latent; d++)
                z[d] = Draw(text, d, CounterRandom.Normal(key, (ulong)((text * latent) + d)));
            for (var other = 0; other < Texts; other++)
                densities[other] = LogDensity(other, z);
            total += NegativeEntropy(text) - LogMeanExp(densities);
        }

        return total / Texts;
    }

    /// <summary>Dimensions whose mean varies from text to text, by 0.01 or more (Burda et al. 2016, sec. 5.1).
    /// </summary>
    public int ActiveUnits()
    {
        const double least = 0.01;
        return Texts < 2 ? 0 : Enumerable.Range(0, latent).Count(d =>
        {
            var center = Enumerable.Range(0, Texts).Average(text => Mean(text, d));
            return Enumerable.Range(0, Texts).Sum(text => Math.Pow(Mean(text, d) - center, 2)) / (Texts - 1) >= least;
        });
    }

    /// <summary>ln of the mean of exponentials.</summary>
    internal static double LogMeanExp(IReadOnlyCollection<double> values)
    {
        var largest = values.Max();
        return largest + Math.Log(values.Sum(value => Math.Exp(value - largest)) / values.Count);
    }

    /// <summary>E ln q(z|x), in closed form.</summary>
    private double NegativeEntropy(int text) =>
        -((latent * (LogTwoPi + 1)) + Enumerable.Range(0, latent).Sum(d => LogVariance(text, d))) / 2;
}
