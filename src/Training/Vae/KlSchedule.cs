using Serving.Training.Settings;

namespace Serving.Training.Vae;

/// <summary>How the weight of the divergence goes on.</summary>
public enum KlAnnealing
{
    /// <summary>1 at every step.</summary>
    [Choice("constant")]
    Constant,

    /// <summary>It rises once (Bowman et al. 2016, sec. 3.1).</summary>
    [Choice("monotonic")]
    Monotonic,

    /// <summary>It rises again and again (Fu et al. 2019, sec. 4).</summary>
    [Choice("cyclical")]
    Cyclical
}

/// <summary>How the weight rises from 0 to 1 in the first part of a cycle.</summary>
public enum KlShape
{
    [Choice("linear")]
    Linear,

    /// <summary>1 / (1 + e^-(12 v - 6)): begins at 0.0025.</summary>
    [Choice("sigmoid")]
    Sigmoid,

    /// <summary>(1 - cos(π v)) / 2</summary>
    [Choice("cosine")]
    Cosine
}

/// <summary>The weight of the divergence at each step (Fu et al. 2019, eq. 6 and 7).</summary>
/// <remarks>
/// Places in a cycle are exact fractions: where the cycles don't divide the steps, they begin at the first step behind
/// their place. The paper's formula has ⌈T / M⌉ in it, its code truncates; both differ from this by a step.
/// </remarks>
public sealed record KlSchedule
{
    [Setting("How the weight of the divergence from the prior goes on.")]
    public KlAnnealing Annealing { get; init; } = KlAnnealing.Cyclical;

    [Setting("How the weight rises.")]
    public KlShape Shape { get; init; }

    /// <summary>M of the paper.</summary>
    [Setting("Cycles of cyclical annealing.", Min = 1, Max = 10_000, Unit = "cycles")]
    public int Cycles { get; init; } = 4;

    /// <summary>R of the paper.</summary>
    [Setting(
        "The part of a cycle, or of all steps, in which the weight rises; it is 1 in the rest.", Above = 0, Max = 1)]
    public double Rise { get; init; } = 0.5;

    /// <summary>The weight of a step, 0 to 1.</summary>
    /// <param name="step">From 1.</param>
    /// <param name="steps">How many there are.</param>
    public double Weight(long step, long steps)
    {
        if (Annealing == KlAnnealing.Constant)
            return 1;
        var cycles = Annealing == KlAnnealing.Cyclical ? Cycles : 1;
        var place = (step - 1) * cycles % steps / (double)steps;
        return place >= Rise ? 1 : Risen(place / Rise);
    }

    private double Risen(double part) => Shape switch
    {
        KlShape.Sigmoid => 1 / (1 + Math.Exp(6 - (12 * part))),
        KlShape.Cosine => (1 - Math.Cos(Math.PI * part)) / 2,
        _ => part
    };
}
