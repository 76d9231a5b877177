using System.Text.Json.Serialization;
using Serving.Training.Bert;

namespace Serving.Training.Classification;

/// <summary>What a classifier's checkpoint holds besides tensors.</summary>
public sealed record ClassifierState
{
    /// <summary>Steps done.</summary>
    public required long Step { get; init; }

    /// <summary>The step of the best evaluation; 0 if there was none.</summary>
    public long BestStep { get; init; }

    public EvaluationReport? Best { get; init; }

    /// <summary>Evaluations since the best.</summary>
    public int SinceBest { get; init; }

    /// <summary>Null where sparsity is left to itself.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SparsityState? Sparsity { get; init; }
}
