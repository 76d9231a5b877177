using Serving.Training.Autograd;

namespace Serving.Training.Vae;

/// <summary>Draws latents so that gradients flow through them (Kingma and Welling 2014, sec. 2.4).</summary>
internal static class LatentOperation
{
    /// <param name="statistics">[texts, 2 latent]: means, and logarithms of variances.</param>
    /// <param name="noise">[texts, latent], from the standard normal distribution.</param>
    /// <param name="weight">What the divergence's gradient is multiplied by.</param>
    /// <param name="freeNats">
    /// A dimension whose mean divergence is less has no gradient of it (Kingma et al. 2016, eq. 15). 0 for none.
    /// </param>
    /// <param name="posterior">The distributions that were drawn from.</param>
    /// <returns>[texts, latent]</returns>
    public static Variable Latent(
        this Tape tape, Variable statistics, double[] noise, double weight, double freeNats,
        out GaussianPosterior posterior)
    {
        posterior = new(statistics.Value.ToArray(), statistics.Value.Columns / 2);
        return tape.Run(new Operation(statistics, posterior, noise, weight, freeNats));
    }

    /// <remarks>A step has some thousand latents: on the host, in double.</remarks>
    private sealed class Operation(
        Variable statistics, GaussianPosterior posterior, double[] noise, double weight, double freeNats) : IOperation
    {
        public Variable Forward(Tape tape)
        {
            var (texts, latent) = (posterior.Texts, posterior.Latent);
            var output = tape.NewVariable(texts, latent, statistics.NeedsGradient);
            var values = new float[texts * latent];
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)posterior.Draw(i / latent, i % latent, noise[i]);
            output.Value.CopyFrom(values);
            return output;
        }

        public void Backward(Tape tape, Variable output)
        {
            var (texts, latent) = (posterior.Texts, posterior.Latent);
            var above = output.Gradient.ToArray();
            var values = new float[2 * above.Length];
            for (var d = 0; d < latent; d++)
            {
                var isFree = freeNats > 0
                    && Enumerable.Range(0, texts).Average(text => posterior.Divergence(text, d)) < freeNats;
                var ofDivergence = isFree ? 0 : weight;
                for (var text = 0; text < texts; text++)
                {
                    var at = (text * latent) + d;
                    var (mean, logVariance) = (posterior.Mean(text, d), posterior.LogVariance(text, d));
                    values[(2 * latent * text) + d] = (float)(above[at] + (ofDivergence * mean));
                    values[(2 * latent * text) + latent + d] = (float)(
                        (above[at] * noise[at] * Math.Exp(logVariance / 2) / 2)
                        + (ofDivergence * (Math.Exp(logVariance) - 1) / 2));
                }
            }

            var gradient = tape.Rent(texts, 2 * latent);
            gradient.CopyFrom(values);
            tape.Contribute(statistics, gradient);
        }
    }
}
