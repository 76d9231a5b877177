using System.Globalization;

namespace Serving.Training.Settings;

/// <summary>The values that a setting may have.</summary>
/// <param name="Least">The lower bound; null for none.</param>
/// <param name="IsAbove">Whether the lower bound is too small itself.</param>
/// <param name="Most">The upper bound; null for none.</param>
/// <param name="IsBelow">Whether the upper bound is too large itself.</param>
public sealed record SettingRange(double? Least, bool IsAbove, double? Most, bool IsBelow)
{
    public static SettingRange? Of(SettingAttribute declared)
    {
        var (isAbove, isBelow) = (!double.IsNaN(declared.Above), !double.IsNaN(declared.Below));
        var least = isAbove ? declared.Above : declared.Min;
        var most = isBelow ? declared.Below : declared.Max;
        return double.IsNaN(least) && double.IsNaN(most)
            ? null
            : new(double.IsNaN(least) ? null : least, isAbove, double.IsNaN(most) ? null : most, isBelow);
    }

    /// <summary>What is no number is in no range.</summary>
    public bool Contains(double value) => !double.IsNaN(value)
        && (Least is not { } least || (IsAbove ? value > least : value >= least))
        && (Most is not { } most || (IsBelow ? value < most : value <= most));

    /// <returns>"1 to 4096", "above 0, at most 1", "0 or more".</returns>
    public override string ToString() => (Least, Most) switch
    {
        ({ } least, null) => IsAbove ? $"above {Text(least)}" : $"{Text(least)} or more",
        (null, { } most) => IsBelow ? $"below {Text(most)}" : $"at most {Text(most)}",
        ({ } least, { } most) => (IsAbove, IsBelow) switch
        {
            (false, false) => $"{Text(least)} to {Text(most)}",
            (false, true) => $"{Text(least)} to below {Text(most)}",
            (true, false) => $"above {Text(least)}, at most {Text(most)}",
            (true, true) => $"above {Text(least)} and below {Text(most)}"
        },
        _ => ""
    };

    private static string Text(double bound) => bound.ToString(CultureInfo.InvariantCulture);
}
