using Serving.Training.Optimization;

namespace Serving.Training.Loop;

/// <summary>How a run goes on, step by step.</summary>
internal sealed record LoopSettings
{
    /// <summary>The most steps.</summary>
    public required long Steps { get; init; }

    /// <summary>Ends the run early, after so many steps; null for its end. What a step does is the same.</summary>
    public long? StopAfter { get; init; }

    /// <summary>How long the run may take, all of its processes together; null for no limit.</summary>
    public TimeSpan? Budget { get; init; }

    /// <summary>Which items each step takes.</summary>
    public required DataOrder Order { get; init; }

    public required ILearningRateSchedule LearningRate { get; init; }

    public required AdamSettings Adam { get; init; }

    /// <summary>Of hidden states and attention weights, 0 to below 1.</summary>
    public required float Dropout { get; init; }

    /// <summary>Steps between evaluations; 0 for one at the end. There is always one at the end.</summary>
    public required int EvaluationInterval { get; init; }

    /// <summary>Evaluations without a better one after which the run stops; 0 for never.</summary>
    public int Patience { get; init; }

    /// <summary>Steps between checkpoints; 0 for none. Results do not depend on it.</summary>
    public required int CheckpointInterval { get; init; }

    /// <summary>Everything random follows from it.</summary>
    public required ulong Seed { get; init; }
}
