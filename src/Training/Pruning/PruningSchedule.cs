using System.Globalization;
using Serving.Training.Settings;

namespace Serving.Training.Pruning;

/// <summary>How the sparsity grows from round to round.</summary>
public enum PruningCurve
{
    /// <summary>Each round prunes the same part of all weights, as published code of Chen et al. 2020 does.</summary>
    Linear,

    /// <summary>Each round prunes the same part of what remains (Chen et al. 2020, alg. 1).</summary>
    Geometric
}

/// <summary>How many weights each round prunes.</summary>
/// <param name="Sparsity">At the end, above 0 and below 1.</param>
/// <param name="Rounds">1 or more.</param>
/// <param name="Rate">
/// What a round prunes: a part of all weights, or of what remains; null for what leads to the sparsity in these rounds.
/// </param>
public sealed record PruningSchedule(PruningCurve Curve, double Sparsity, int Rounds, double? Rate = null)
{
    /// <summary>The part of all weights that is pruned after some rounds, before counts are rounded.</summary>
    /// <param name="rounds">0 to all.</param>
    public double SparsityAfter(int rounds) => (Curve, Rate) switch
    {
        (PruningCurve.Linear, { } rate) => Math.Min(Sparsity, rate * rounds),
        (PruningCurve.Linear, _) => Sparsity * rounds / Rounds,
        (_, { } rate) => Math.Min(Sparsity, 1 - Math.Pow(1 - rate, rounds)),
        _ => 1 - Math.Pow(1 - Sparsity, (double)rounds / Rounds)
    };

    /// <summary>How many weights a round prunes: round-half-even of a part of what remains.</summary>
    /// <remarks>
    /// In decimals, so that halves are halves: with 0.9 in 9 rounds the parts are 1/10, 1/9, ..., 1/2 as in the
    /// published code, and 7 weights become 6, 5, 4, 3, 3, 2, 2, 1, 1.
    /// </remarks>
    /// <param name="round">From 0.</param>
    /// <param name="remaining">Weights that are left.</param>
    public long Count(int round, long remaining)
    {
        var (before, after) = ((decimal)SparsityAfter(round), (decimal)SparsityAfter(round + 1));
        return (long)Math.Round(remaining * (after - before) / (1 - before), MidpointRounding.ToEven);
    }

    /// <exception cref="SettingException">The rounds do not come to the sparsity.</exception>
    public void Validate()
    {
        var most = SparsityAfter(Rounds);
        if (Rate is not { } rate || (decimal)most >= (decimal)Sparsity) // Three rounds of 0.3 are 0.9.
            return;
        var rounds = Curve == PruningCurve.Linear
            ? Sparsity / rate
            : Math.Log(1 - Sparsity) / Math.Log(1 - rate);
        var needed = Math.Ceiling(Math.Round(rounds, 9));
        throw new SettingException(nameof(Rounds), string.Create(
            CultureInfo.InvariantCulture,
            $"{Rounds} rounds at a rate of {rate} come to a sparsity of {most:F4}, and {Sparsity} is asked for; "
            + $"{needed} rounds do, or leave the rate out."));
    }
}
