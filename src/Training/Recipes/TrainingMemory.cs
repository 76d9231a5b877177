using System.Globalization;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>Memory that training a model takes.</summary>
internal static class TrainingMemory
{
    private const double Gibibyte = 1L << 30;

    /// <summary>Weights, gradients and Adam's two moments take 4 bytes each; what a step takes comes on top.</summary>
    /// <param name="weights">How many there are.</param>
    /// <param name="setting">What to change.</param>
    /// <exception cref="SettingException">There is less.</exception>
    public static void ThrowUnlessFits(double weights, string setting)
    {
        var (needed, there) =
            (4 * sizeof(float) * weights / Gibibyte, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / Gibibyte);
        if (needed > there)
        {
            throw new SettingException(setting, string.Create(
                CultureInfo.InvariantCulture,
                $"Training the model takes at least {needed:F1} GiB; there are {there:F1} GiB. "
                + $"Choose fewer or smaller layers."));
        }
    }
}
