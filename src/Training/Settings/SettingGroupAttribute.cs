namespace Serving.Training.Settings;

/// <summary>Declares a property to hold settings of its own.</summary>
/// <param name="name">The message that they are in: "mask"; null if it is that of the others.</param>
[AttributeUsage(AttributeTargets.Property)]
public sealed class SettingGroupAttribute(string? name = null) : Attribute
{
    public string? Name { get; } = name;

    /// <summary>The only value of the setting that a command gives for which these are; null for all.</summary>
    public object? For { get; init; }

    /// <summary>Settings of the group that say nothing here.</summary>
    public string[] Without { get; init; } = [];
}
