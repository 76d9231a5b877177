using Serving.Training.Vae;

namespace Serving.Training.Tests.Vae;

public sealed class GaussianPosteriorTests
{
    [Fact]
    public void Divergence_AndDensities_AreAsComputedByHand()
    {
        // Of N(1, 4) from N(0, 1): (1 + 4 - ln 4 - 1) / 2; of N(0, 1): 0.
        var posterior = new GaussianPosterior([1, 0, (float)Math.Log(4), 0], latent: 2);

        Assert.Equal((4 - Math.Log(4)) / 2, posterior.Divergence(0), 1e-6);
        Assert.Equal(0, posterior.Divergence(0, 1));
        Assert.Equal(3, posterior.Draw(0, 0, noise: 1), 1e-6);
        Assert.Equal(
            -Math.Log(2 * Math.PI) - (Math.Log(4) / 2) - (1 / 8.0) - 2, posterior.LogDensity(0, [2, 2]), 1e-6);
        Assert.Equal(-Math.Log(2 * Math.PI) - 2.5, GaussianPosterior.LogPrior([1, 2]), 1e-12);
    }

    /// <summary>An encoder that sees nothing says nothing.</summary>
    [Fact]
    public void Measures_OfTextsThatAreAllAlike_AreZero()
    {
        var posterior = new GaussianPosterior(
            [.. Enumerable.Repeat((float[])[0.3f, -1, 0.2f, -0.5f], 200).SelectMany(row => row)], latent: 2);

        Assert.Equal(0, posterior.ActiveUnits());
        Assert.InRange(posterior.MutualInformation(key: 1), -0.2, 0.2); // One draw a text: 1/√200 of noise a dimension.
    }

    /// <summary>Texts that are far from each other are known by their latents: ln of how many there are.</summary>
    [Fact]
    public void Measures_OfTextsThatAreFarApart_AreTheMost()
    {
        var posterior = new GaussianPosterior(
            [.. Enumerable.Range(0, 50).SelectMany(i => (float[])[100 * i, 0.001f * i, 0, 0])], latent: 2);

        Assert.Equal(1, posterior.ActiveUnits());
        Assert.InRange(posterior.MutualInformation(key: 1), Math.Log(50) - 0.5, Math.Log(50) + 0.5);
    }
}
