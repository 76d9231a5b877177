using Serving.Training.Pretraining;
using Serving.Training.Settings;

namespace Serving.Training.Tests.Pretraining;

public sealed class ObjectiveScheduleTests
{
    private const Objective Mlm = Objective.MaskedLanguageModel;
    private const Objective A = Objective.SentenceOrder;
    private const Objective B = Objective.QuickThoughts;

    [Fact]
    public void Sum_HasAllOfThem() => Assert.All(Steps(Combination.Sum, 10), step => Assert.Equal([Mlm, A, B], step));

    [Fact]
    public void Incremental_AddsOneAfterEachThird()
    {
        var steps = Steps(Combination.Incremental, 9);
        Assert.All(steps[..3], step => Assert.Equal([Mlm], step));
        Assert.All(steps[3..6], step => Assert.Equal([Mlm, A], step));
        Assert.All(steps[6..], step => Assert.Equal([Mlm, A, B], step));
    }

    [Fact]
    public void Alternating_TakesTurns()
    {
        Assert.Equal([[Mlm], [A], [B], [Mlm]], Steps(Combination.Alternating, 4));
        Assert.Equal([[Mlm, A], [Mlm, B], [Mlm, A]], Steps(Combination.AlternatingPlus, 3));
    }

    [Theory]
    [InlineData(Combination.Alternating)]
    [InlineData(Combination.ContinualPlus)]
    public void NothingElse_IsMaskedLanguageModellingAlone(Combination combination)
    {
        var schedule = new ObjectiveSchedule(combination, [], 10, _ => 100, seed: 1);
        Assert.Equal([Mlm], schedule.At(3));
    }

    [Fact]
    public void Stages_HaveTheTableOfThePaper()
    {
        Assert.Equal([2, 0, 0], ObjectiveSchedule.Stage(0, 3, 12));
        Assert.Equal([1, 3, 0], ObjectiveSchedule.Stage(1, 3, 12));
        Assert.Equal([1, 1, 4], ObjectiveSchedule.Stage(2, 3, 12));
        for (var objectives = 1; objectives < 8; objectives++)
        {
            var tokens = 1000L * objectives * (objectives + 1);
            var stages = Enumerable.Range(0, objectives)
                .Select(stage => ObjectiveSchedule.Stage(stage, objectives, tokens)).ToList();
            Assert.All(Enumerable.Range(0, objectives), objective => Assert.Equal(
                tokens / objectives, stages.Sum(stage => stage[objective])));
            Assert.All(stages.Index(), stage => Assert.Equal(2000 * (stage.Index + 1), stage.Item.Sum()));
        }
    }

    /// <summary>All objectives end with equally many tokens, within a batch for each stage.</summary>
    [Theory]
    [InlineData(Combination.Continual, 3, 100)]
    [InlineData(Combination.ContinualPlus, 2, 100)]
    [InlineData(Combination.Continual, 3, 60)]
    [InlineData(Combination.ContinualPlus, 2, 60)]
    public void Continual_SharesTokensEqually_AndAddsOneAStage(Combination combination, int sharing, int tokensOfSecond)
    {
        const int steps = 3000;
        const int batch = 100;
        var schedule = new ObjectiveSchedule(combination, [A, B], steps, objectives => TokensOf(objectives), seed: 5);
        var first = new Dictionary<Objective, long>();
        for (var step = 1L; step <= steps; step++)
        {
            var objectives = schedule.At(step);
            Assert.Equal(objectives, schedule.At(step)); // To ask is not to take.
            Assert.Equal(combination == Combination.Continual ? 1 : 2, objectives.Count);
            foreach (var objective in objectives)
                first.TryAdd(objective, step);
            schedule.Taken(step, TokensOf(objectives));
        }

        var share = schedule.Ledger.Taken.Sum() / sharing;
        Assert.All(schedule.Ledger.Taken, taken => Assert.InRange(
            taken, share - (2 * sharing * batch), share + (2 * sharing * batch)));
        if (tokensOfSecond == batch)
            Assert.Equal(steps * batch, schedule.Ledger.Taken.Sum());
        Assert.True(first[A] < first[B]);
        // Stages have 1/6, 2/6, 3/6 of the tokens, or 1/3 and 2/3.
        Assert.InRange(first[B], (combination == Combination.Continual ? 1400 : 900) * tokensOfSecond / batch, 1700);

        int TokensOf(IReadOnlySet<Objective> objectives) => objectives.Contains(B) ? tokensOfSecond : batch;
    }

    [Fact]
    public void Continual_GoesOnFromItsLedger()
    {
        var whole = new ObjectiveSchedule(Combination.Continual, [A, B], 200, _ => 100, seed: 5);
        var expected = Run(whole, 1, 200);
        var before = new ObjectiveSchedule(Combination.Continual, [A, B], 200, _ => 100, seed: 5);
        Assert.Equal(expected[..77], Run(before, 1, 77));
        var after =
            new ObjectiveSchedule(Combination.Continual, [A, B], 200, _ => 100, seed: 5) { Ledger = before.Ledger };
        Assert.Equal(expected[77..], Run(after, 78, 200));

        static List<Objective> Run(ObjectiveSchedule schedule, long from, long to)
        {
            var seen = new List<Objective>();
            for (var step = from; step <= to; step++)
            {
                seen.Add(schedule.At(step).Single());
                schedule.Taken(step, 100);
            }

            return seen;
        }
    }

    [Theory]
    [InlineData("MaskedLanguageModel", Combination.Sum, "mlm is always learned")]
    [InlineData("SentenceOrder SentenceOrder", Combination.Sum, "so is there twice")]
    [InlineData("SentenceOrder NextSentence", Combination.Sum, "so, nsp each arrange two segments")]
    [InlineData("SentenceOrder NextSentence", Combination.Incremental, "so, nsp each arrange two segments")]
    public void Objectives_ThatCannotBe_AreRefused(string objectives, Combination combination, string message)
    {
        var settings = Settings([.. objectives.Split(' ').Select(Enum.Parse<Objective>)], combination);
        Assert.Contains(message, Assert.Throws<SettingException>(settings.Validate).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Stages_WithABudgetOfTime_AndControlsWithoutMaskedLanguageModelling_AreRefused()
    {
        Combination[] staged = [Combination.Incremental, Combination.Continual, Combination.ContinualPlus];
        foreach (var combination in staged)
        {
            Assert.Throws<SettingException>(
                (Settings([A], combination) with { Budget = TimeSpan.FromHours(1) }).Validate);
        }

        foreach (var combination in (Combination[])[Combination.Alternating, Combination.Continual])
            Assert.Throws<SettingException>((Settings([A], combination) with { IsControl = true }).Validate);
        (Settings([A, Objective.NextSentence], Combination.Alternating) with { Budget = TimeSpan.FromHours(1) })
            .Validate();
        (Settings([A], Combination.ContinualPlus) with { IsControl = true }).Validate();
    }

    private static PretrainingSettings Settings(IReadOnlyList<Objective> objectives, Combination combination) => new()
    {
        Steps = 10,
        Objectives = objectives,
        Combination = combination
    };

    private static List<Objective[]> Steps(Combination combination, int steps)
    {
        var schedule = new ObjectiveSchedule(combination, [A, B], steps, _ => 100, seed: 1);
        return [.. Enumerable.Range(1, steps).Select(step => schedule.At(step).ToArray())];
    }
}
