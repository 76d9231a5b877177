using Serving.Training.Pruning;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Pruning;

public sealed class PruningScheduleTests
{
    /// <summary>
    /// By hand, halves to even: 7 / 10 is 1, 6 / 9 is 1, 5 / 8 is 1, 4 / 7 is 1, 3 / 6 is 0, 3 / 5 is 1, 2 / 4 is 0,
    /// 2 / 3 is 1, 1 / 2 is 0.
    /// </summary>
    [Fact]
    public void Linear_OfSevenWeights_RoundsHalvesToEven() =>
        Assert.Equal([1, 2, 3, 4, 4, 5, 5, 6, 6], Pruned(new(PruningCurve.Linear, 0.9, 9), 7));

    /// <summary>BERT-base: 8,552,448 of 85,524,480 in each round, as the published code of Chen et al. 2020.</summary>
    [Fact]
    public void Linear_OfBertBase_PrunesATenthOfAllInEachRound() => Assert.Equal(
        Enumerable.Range(1, 9).Select(round => 8_552_448L * round),
        Pruned(new(PruningCurve.Linear, 0.9, 9), 85_524_480));

    /// <summary>1000 - 100, 900 - 90, 810 - 81, 729 - 73 (72.9), 656 - 66 (65.6).</summary>
    [Fact]
    public void Geometric_WithARate_PrunesItsPartOfWhatRemains() => Assert.Equal(
        [100, 190, 271, 344, 410], Pruned(new(PruningCurve.Geometric, 0.99, 5, Rate: 0.1), 1000));

    [Theory]
    [InlineData(PruningCurve.Linear, 0.7, 7)]
    [InlineData(PruningCurve.Geometric, 0.7, 4)]
    [InlineData(PruningCurve.Geometric, 0.99, 1)]
    [InlineData(PruningCurve.Linear, 0.05, 100)]
    public void Rounds_ComeToTheSparsity(PruningCurve curve, double sparsity, int rounds)
    {
        var pruned = Pruned(new(curve, sparsity, rounds), 1_000_000);
        Assert.Equal(rounds, pruned.Count);
        Assert.InRange(pruned[^1], (1e6 * sparsity) - rounds, (1e6 * sparsity) + rounds);
        Assert.Equal(pruned.Order(), pruned);
    }

    /// <summary>A rate of 0.3 is at 0.6 after two rounds; the third goes on to 0.7 alone.</summary>
    [Fact]
    public void Rate_DoesNotPruneMoreThanTheSparsity() =>
        Assert.Equal([300, 600, 700, 700], Pruned(new(PruningCurve.Linear, 0.7, 4, Rate: 0.3), 1000));

    /// <summary>As numbers of two to a power, three times 0.3 is less than 0.9.</summary>
    [Fact]
    public void Rounds_ThatReachTheSparsityInDecimals_AreAccepted()
    {
        var schedule = new PruningSchedule(PruningCurve.Linear, 0.9, 3, Rate: 0.3);
        schedule.Validate();
        Assert.Equal([300, 600, 900], Pruned(schedule, 1000));
        var error = Assert.Throws<SettingException>((schedule with { Rounds = 2 }).Validate);
        Assert.Contains("; 3 rounds do", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(PruningCurve.Linear, "come to a sparsity of 0.3000, and 0.7 is asked for; 7 rounds do")]
    [InlineData(PruningCurve.Geometric, "come to a sparsity of 0.2710, and 0.7 is asked for; 12 rounds do")]
    public void Rounds_ThatDoNotReachTheSparsity_AreRefused(PruningCurve curve, string reason)
    {
        var schedule = new PruningSchedule(curve, 0.7, 3, Rate: 0.1);
        var error = Assert.Throws<SettingException>(schedule.Validate);
        Assert.Equal("rounds", error.Setting);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        (schedule with { Rounds = curve == PruningCurve.Linear ? 7 : 12 }).Validate();
    }

    /// <returns>How many are pruned after each round.</returns>
    private static List<long> Pruned(PruningSchedule schedule, long weights)
    {
        var pruned = new List<long>();
        for (var round = 0; round < schedule.Rounds; round++)
            pruned.Add((round == 0 ? 0 : pruned[^1]) + schedule.Count(round, weights - (round == 0 ? 0 : pruned[^1])));
        return pruned;
    }
}
