namespace Serving.Training.Settings;

/// <summary>Declares a property to be a setting of a recipe.</summary>
/// <remarks>
/// All that there is to know about a setting follows from this and from the property: its name and kind from the
/// property's name and type, its default from what the property has in a new object, and whether it must be given from
/// `required`. Checks, messages, flags of the command line, forms and docs are made from it.
/// </remarks>
/// <param name="help">What it means: a sentence.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SettingAttribute(string help) : Attribute
{
    public string Help { get; } = help;

    /// <summary>Its name in messages, if it is not that of the property: "hidden_size", "mask.freeze_head".</summary>
    public string? Name { get; init; }

    /// <summary>For names of models and datasets, which are text as others; otherwise the type says it.</summary>
    public SettingKind Kind { get; init; }

    /// <summary>The smallest value; of durations, in seconds. Of a list: of each value.</summary>
    public double Min { get; init; } = double.NaN;

    /// <summary>A bound that is no value itself, instead of <see cref="Min"/>.</summary>
    public double Above { get; init; } = double.NaN;

    /// <summary>The largest value.</summary>
    public double Max { get; init; } = double.NaN;

    /// <summary>A bound that is no value itself, instead of <see cref="Max"/>.</summary>
    public double Below { get; init; } = double.NaN;

    /// <summary>What it counts or measures: "steps".</summary>
    public string? Unit { get; init; }

    /// <summary>What 0 means, which is valid then: "never".</summary>
    public string? Zero { get; init; }

    /// <summary>What null, or an empty list, means: "all".</summary>
    public string? Otherwise { get; init; }

    /// <summary>
    /// Makes it a flag: the value of the property if the flag is set. Left out, the property keeps its default.
    /// </summary>
    public object? On { get; init; }

    /// <summary>The only value of the setting that a command gives for which this one is; null for all.</summary>
    public object? For { get; init; }
}
