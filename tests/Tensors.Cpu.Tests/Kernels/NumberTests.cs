using Serving.Tensors.Cpu.Kernels;

namespace Serving.Tensors.Cpu.Tests.Kernels;

/// <summary>Exponentials and roundings of single numbers.</summary>
public sealed class NumberTests
{
    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(-10.5f)]
    [InlineData(-50f)]
    [InlineData(5.25f)]
    [InlineData(80f)]
    public void Exp_IsPreciseToAFewBits(float x)
    {
        var value = VectorMath<SimdScalar, float>.Exp(x);
        Assert.Equal(1, value / Math.Exp(x), 2e-7);
    }

    [Theory]
    [InlineData(0x3F808000, 0x3F80)] // A tie goes to the even neighbour below,
    [InlineData(0x3F818000, 0x3F82)] // or above.
    [InlineData(0x3F808001, 0x3F81)]
    [InlineData(0x7F7FFFFF, 0x7F80)] // The largest float rounds to infinity.
    [InlineData(0x80000000, 0x8000)]
    [InlineData(0x7F800001, 0x7FC0)] // A signalling NaN stays a NaN.
    public void BFloat16_RoundsToNearestEven(uint bits, ushort expected) =>
        Assert.Equal(expected, BFloat16.FromSingle(BitConverter.UInt32BitsToSingle(bits)));
}
