using Serving.Training.Settings;

namespace Serving.Training.Optimization;

/// <summary>Adam's settings (Kingma and Ba 2015, alg. 1).</summary>
public sealed record AdamSettings
{
    public float Beta1 { get; init; } = 0.9f;

    public float Beta2 { get; init; } = 0.999f;

    public float Epsilon { get; init; } = 1e-8f;

    /// <summary>Not applied to biases and norms.</summary>
    [Setting("AdamW's weight decay.", Min = 0, Max = 1)]
    public float WeightDecay { get; init; }

    /// <summary>AdamW (Loshchilov and Hutter 2019): decay outside the gradient. False: Adam, inside.</summary>
    public bool IsDecoupled { get; init; } = true;

    /// <summary>
    /// The largest norm of all gradients together; larger ones are scaled down (Pascanu et al. 2013, alg. 1). 0 for
    /// none.
    /// </summary>
    public float MaxGradientNorm { get; init; } = 1f;

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        SettingSet.Check(this);
        SettingException.ThrowUnless(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "0 to below 1");
        SettingException.ThrowUnless(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "0 to below 1");
        SettingException.ThrowUnless(Epsilon is > 0 and <= 1, nameof(Epsilon), Epsilon, "above 0, at most 1");
        SettingException.ThrowUnless(MaxGradientNorm >= 0, nameof(MaxGradientNorm), MaxGradientNorm, "0 or more");
    }
}
