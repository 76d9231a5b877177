using Serving.Tensors;
using Serving.Training.Pruning;
using Purpose = Serving.Training.RandomPurposes.Pruning;

namespace Serving.Training.Recipes;

/// <summary>A training of a pruning.</summary>
/// <param name="Seed">Of the pruning.</param>
/// <param name="Round">0 for all weights, and so on to the ticket; -1 for that of the start.</param>
/// <param name="Control">Null for the pruning itself.</param>
internal readonly record struct PruningStage(ulong Seed, int Round, PruningControl? Control)
{
    /// <summary>The training whose weights, after some of its steps, are put back to.</summary>
    public const int Start = -1;

    /// <summary>What everything random of the training follows from; a control has that of the ticket.</summary>
    public ulong TrainingSeed => Round <= 0
        ? Seed
        : CounterRandom.Bits(CounterRandom.Key(Seed, Purpose.Round), (ulong)Round);
}

/// <summary>The trainings of a pruning, in their order.</summary>
internal sealed class PruningPlan
{
    public PruningPlan(PruningRecipe recipe)
    {
        Last = recipe.Schedule.Rounds;
        foreach (var seed in recipe.Seeds)
        {
            if (recipe.Rewind > 0)
                Stages.Add(new(seed, PruningStage.Start, null));
            for (var round = 0; round <= Last; round++)
                Stages.Add(new(seed, round, null));
            foreach (var control in recipe.Controls)
                Stages.Add(new(seed, Last, control));
        }
    }

    public List<PruningStage> Stages { get; } = [];

    /// <summary>The round that trains the ticket.</summary>
    public int Last { get; }
}
