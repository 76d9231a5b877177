using FsCheck;
using FsCheck.Fluent;
using Grpc.Wire;

namespace Serving.Rpc.Tests.Wire;

public sealed class GrpcTimeoutTests
{
    [Theory]
    [InlineData(0, "0m")]
    [InlineData(-1, "0m")]
    [InlineData(1, "1u")] // 100 ns: rounded up to the finest unit that is sent
    [InlineData(10_000, "1m")]
    [InlineData(15_000, "1500u")]
    [InlineData(50_000_000, "5000m")]
    [InlineData(999_999_990_000, "99999999m")]
    [InlineData(1_000_000_000_000, "100000S")]
    public void Encode_TakesTheFinestUnitThatFits(long ticks, string expected) =>
        Assert.Equal(expected, GrpcTimeout.Encode(TimeSpan.FromTicks(ticks)));

    [Theory]
    [InlineData("1n", 1)]
    [InlineData("100n", 1)]
    [InlineData("101n", 2)] // 1.01 ticks, rounded up
    [InlineData("1u", 10)]
    [InlineData("1m", 10_000)]
    [InlineData("1S", 10_000_000)]
    [InlineData("1M", 600_000_000)]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("99999999H", long.MaxValue)] // 11,415 years: 3.6e18 ticks
    public void TryParse_KnowsEveryUnit(string header, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(header, out var timeout));
        Assert.Equal(Math.Min(ticks, 99_999_999L * 36_000_000_000), timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("m")]
    [InlineData("1")]
    [InlineData("+1m")]
    [InlineData(" 1m")]
    [InlineData("1 m")]
    [InlineData("1s")]
    [InlineData("123456789S")]
    public void TryParse_RefusesWhatIsNoTimeout(string header) => Assert.False(GrpcTimeout.TryParse(header, out _));

    [Fact]
    public void ParsedTimeout_IsNeverShorterAndAtMostATenThousandthLonger() => Prop.ForAll(
        (from shift in Gen.Choose(0, 31) from value in Gen.Choose(1, int.MaxValue) select (long)value << shift).ToArbitrary(),
        ticks =>
        {
            Assert.True(GrpcTimeout.TryParse(GrpcTimeout.Encode(TimeSpan.FromTicks(ticks)), out var parsed));
            Assert.InRange(parsed.Ticks, Math.Min(ticks, 99_999_999L * 36_000_000_000), ticks + 10 + ticks / 10_000);
        }).QuickCheckThrowOnFailure();
}
