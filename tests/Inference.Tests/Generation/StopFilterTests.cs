using FsCheck;
using FsCheck.Fluent;
using Serving.Inference.Generation;

namespace Serving.Inference.Tests.Generation;

public sealed class StopFilterTests
{
    private static readonly Gen<string> Texts =
        Gen.ListOf(Gen.Elements('a', 'b', 'c')).Select(characters => string.Concat(characters));

    private static readonly Gen<string[]> Stops =
        Gen.ListOf(Texts.Where(text => text.Length is > 0 and < 6), 3).Select(stops => stops.ToArray());

    [Fact]
    public void Append_AStopStringInParts_LetsNothingOfItThrough()
    {
        var filter = new StopFilter(["END"]);
        Assert.Equal("a ", filter.Append("a E"));
        Assert.Equal("", filter.Append("N"));
        Assert.Equal("EN. ", filter.Append(". E"));
        Assert.Equal("", filter.Append("N"));
        Assert.False(filter.IsStopped);
        Assert.Equal("", filter.Append("D and"));
        Assert.True(filter.IsStopped);
        Assert.Equal("", filter.Append("more"));
        Assert.Equal("", filter.Finish());
    }

    [Fact]
    public void Finish_ABeginningOfAStopString_GivesIt()
    {
        var filter = new StopFilter(["END"]);
        Assert.Equal("a", filter.Append("aEN"));
        Assert.Equal("EN", filter.Finish());
        Assert.False(filter.IsStopped);
    }

    [Fact]
    public void Append_AnyTextInAnyParts_EndsAtTheFirstCompleteStop() => Prop.ForAll(
        Gen.ListOf(Texts).ToArbitrary(), Stops.ToArbitrary(),
        (parts, stops) =>
        {
            var filter = new StopFilter(stops);
            var passed = string.Concat(parts.Select(filter.Append)) + filter.Finish();
            var expected = Expected(string.Concat(parts), stops);
            Assert.Equal(expected ?? string.Concat(parts), passed);
            Assert.Equal(expected is not null, filter.IsStopped);
        }).QuickCheckThrowOnFailure();

    /// <summary>The text before the stop string that ends first, the longest of several; null without one.</summary>
    private static string? Expected(string text, string[] stops)
    {
        for (var end = 1; end <= text.Length; end++)
        {
            var longest = stops.Where(stop => text[..end].EndsWith(stop, StringComparison.Ordinal))
                .Select(stop => stop.Length).DefaultIfEmpty(0).Max();
            if (longest > 0)
                return text[..(end - longest)];
        }

        return null;
    }
}
