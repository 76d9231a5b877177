using Serving.Training.LanguageModels;

namespace Serving.Training.Tests.LanguageModels;

/// <summary>Candidates and repetitions, by hand.</summary>
public sealed class UnlikelyTokensTests
{
    [Theory]
    [InlineData(new[] { 1, 2, 3, 4, 1, 2, 3, 4, 5 }, 4, "000011110")]
    [InlineData(new[] { 1, 2, 3, 4, 1, 2, 3, 4 }, 4, "00001111")]
    [InlineData(new[] { 7, 7, 7, 7, 7, 7, 7, 7 }, 4, "01111111")] // Those from the second on overlap the first.
    [InlineData(new[] { 1, 2, 1, 2, 1, 2 }, 2, "001111")]
    [InlineData(new[] { 1, 1, 1 }, 4, "000")]
    [InlineData(new[] { 1, 2, 1 }, 1, "001")]
    [InlineData(new int[0], 4, "")]
    public void Repeated_IsAllThatCameBefore(int[] tokens, int n, string expected) => Assert.Equal(
        expected, string.Concat(UnlikelyTokens.Repeated(tokens, n).Select(isRepeated => isRepeated ? '1' : '0')));

    [Fact]
    public void AddPrevious_IsASet_WithoutTheLabelAndTheEnd()
    {
        var (candidates, ends) = (new List<int>(), new List<int>());

        // Predicted are 5, 6, 5, 9, 7 behind 9 (the end), 5, 6, 5, 9.
        UnlikelyTokens.AddPrevious(new([9, 5, 6, 5, 9, 7]), endToken: 9, candidates, ends);

        Assert.Equal([0, 1, 2, 4, 6], ends); // {}, {5}, {6} without the label 5, {5, 6}, {5, 6}
        Assert.Equal([5, 6, 5, 6, 5, 6], candidates);
    }

    [Fact]
    public void Prefixes_AreTakenFromAllSequencesInTurn() => Assert.Equal(
        [[1, 2], [6, 7], [3, 4], [8, 9]],
        Prefixes.Of([new([1, 2, 3, 4, 5]), new([6, 7, 8, 9])], 2).Select(prefix => prefix.ToArray()));
}
