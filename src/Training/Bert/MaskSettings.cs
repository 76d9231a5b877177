using System.Text.Json.Serialization;
using Serving.Models.Bert;
using Serving.Training.Settings;

namespace Serving.Training.Bert;

/// <summary>How scores begin.</summary>
public enum ScoreInitialization
{
    /// <summary>Uniform, such that the fraction asked for is at or below the threshold.</summary>
    Uniform,

    /// <summary>Two values: below the threshold for weights of small magnitude, above it for the others.</summary>
    Magnitude
}

/// <summary>Which matrices of a backbone are masked, and how their scores begin.</summary>
public sealed record MaskSettings
{
    internal const double DefaultSparsityRate = 1;

    [Setting("The part of each matrix that is dropped at first.", Min = 0, Below = 1)]
    public double InitialSparsity { get; init; } = 0.05;

    /// <summary>Null for what the loss makes of it, as in the paper. May be below the initial one.</summary>
    [Setting(
        "The part of all masked weights that is dropped in the end. The best state is one of the last fifth.",
        Min = 0, Below = 1, Otherwise = "what training makes of it")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? FinalSparsity { get; init; }

    /// <summary>See <see cref="SparsityController"/>; null for <see cref="DefaultSparsityRate"/>.</summary>
    [Setting(
        "The learning rate of the penalty that leads to the final sparsity.", Above = 0, Max = 1000,
        Otherwise = "1 with a final sparsity")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? SparsityRate { get; init; }

    /// <summary>A weight is kept while its score is above this; above 0, below 1.</summary>
    public float Threshold { get; init; } = 0.01f;

    /// <summary>How far below zero scores begin; above 0, below 1.</summary>
    public float Scale { get; init; } = 0.02f;

    [Setting(
        "Drops the smallest weights at first, instead of random ones.", Name = "by_magnitude",
        On = ScoreInitialization.Magnitude)]
    public ScoreInitialization Initialization { get; init; }

    /// <summary>Matrices of a layer.</summary>
    public IReadOnlyList<BertMatrix> Matrices { get; init; } = Enum.GetValues<BertMatrix>();

    [Setting("The layers that are masked, from 0.", Min = 0, Otherwise = "all")]
    public IReadOnlyList<int>? Layers { get; init; }

    [Setting("Leaves the pooler as it is.", Name = "skip_pooler", On = false)]
    public bool MasksPooler { get; init; } = true;

    /// <summary>Names and shapes of what is masked.</summary>
    internal IEnumerable<(string Name, int Rows, int Columns)> Masked(BertConfig config)
    {
        for (var layer = 0; layer < config.Layers; layer++)
        {
            if (Layers?.Contains(layer) == false)
                continue;
            foreach (var matrix in Matrices.Distinct().Order())
            {
                var (rows, columns) = BertTensors.Shape(config, matrix);
                yield return (BertTensors.Weight(layer, matrix), rows, columns);
            }
        }

        if (MasksPooler && config.HasPooler)
            yield return (BertTensors.PoolerWeight, config.Hidden, config.Hidden);
    }

    /// <exception cref="SettingException">A setting is out of range, or nothing is masked.</exception>
    internal void Validate(BertConfig config)
    {
        SettingSet.Check(this);
        SettingException.ThrowUnless(
            Threshold is > 0 and < 1, nameof(Threshold), Threshold, "above 0 and below 1");
        if (SparsityRate is not null && FinalSparsity is null)
        {
            throw new SettingException(
                nameof(SparsityRate), "It says nothing without final_sparsity; give that too, or leave this out.");
        }

        SettingException.ThrowUnless(Scale is > 0 and < 1, nameof(Scale), Scale, "above 0 and below 1");
        foreach (var layer in Layers ?? [])
        {
            if (layer >= config.Layers)
            {
                throw new SettingException(
                    "layers", $"Layer {layer} is to be masked; the model has layers 0 to {config.Layers - 1}.");
            }
        }

        if (!Masked(config).Any())
            throw new SettingException("layers", "No matrix is to be masked; choose at least one.");
    }
}
