namespace Serving.Training.Settings;

/// <summary>How people name a value of an enumeration: "nsp".</summary>
/// <remarks>A value without one can't be chosen, unless no value of its type has one: then all can.</remarks>
[AttributeUsage(AttributeTargets.Field)]
public sealed class ChoiceAttribute(string name) : Attribute
{
    public string Name { get; } = name;
}

/// <summary>A value of a setting that has few.</summary>
/// <param name="Name">As people name it.</param>
public sealed record SettingChoice(string Name, Enum Value);
