using System.Globalization;

namespace Serving.Tables;

/// <summary>A label as the number that it is for regression.</summary>
public static class LabelNumber
{
    /// <summary>Reads "1.5", "-2" or "3e-4"; no separators of thousands, no commas, nothing infinite.</summary>
    /// <returns>Whether it is such a number.</returns>
    public static bool TryParse(string label, out float number) =>
        float.TryParse(label, NumberStyles.Float, CultureInfo.InvariantCulture, out number) && float.IsFinite(number);

    /// <exception cref="FormatException">It is no number; the message shows it.</exception>
    public static float Parse(string label) => TryParse(label, out var number)
        ? number
        : throw new FormatException($"The label '{label}' is no number; one is written like 1.5 or -2.");
}
