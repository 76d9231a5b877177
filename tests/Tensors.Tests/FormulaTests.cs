using Serving.Tensors.Tests.Reference;

namespace Serving.Tensors.Tests;

/// <summary>The reference's functions at points whose values are in tables.</summary>
public sealed class FormulaTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.5, 0.5204998778130465)]
    [InlineData(-1, -0.8427007929497149)]
    [InlineData(3, 0.9999779095030014)]
    public void Erf_HasTheTablesValues(double x, double expected) =>
        Assert.Equal(expected, Formulas.Erf(x), 1e-12);

    [Fact]
    public void GeluTanh_AtOne() =>
        Assert.Equal(0.8411919906082768, Formulas.GeluTanh(1), 1e-12); // 0.5 (1 + tanh(0.79788456 * 1.044715))

    [Fact]
    public void GeluAndItsSlope_AtOne()
    {
        Assert.Equal(0.8413447460685429, Formulas.Gelu(1), 1e-12); // 1 Φ(1)
        Assert.Equal(0.8413447460685429 + 0.24197072451914337, Formulas.GeluSlope(1), 1e-12); // Φ(1) + 1 φ(1)
    }
}
