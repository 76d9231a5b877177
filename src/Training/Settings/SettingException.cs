using System.Globalization;

namespace Serving.Training.Settings;

/// <summary>A setting of a job is not valid; nothing was begun.</summary>
/// <param name="setting">Its path in the recipe's message, or the property that it is named after.</param>
public sealed class SettingException(string setting, string message) : ArgumentException(message)
{
    /// <summary>Its path in the recipe's message: "mask.layers".</summary>
    public string Setting { get; } = SettingNames.Of(setting);

    /// <param name="property">The name of the setting's property, in messages.</param>
    /// <exception cref="SettingException">It is not valid; the message names it and what is needed.</exception>
    public static void ThrowUnless(bool isValid, string setting, string property, object? value, string needed)
    {
        if (!isValid)
        {
            throw new SettingException(
                setting, string.Create(CultureInfo.InvariantCulture, $"{property} is {value}; it must be {needed}."));
        }
    }

    /// <summary>The same, for a setting whose name is its property's.</summary>
    public static void ThrowUnless(bool isValid, string property, object? value, string needed) =>
        ThrowUnless(isValid, property, property, value, needed);

    /// <summary>Runs a check of settings that are in a message of their own.</summary>
    public static void Within(string group, Action check)
    {
        try
        {
            check();
        }
        catch (SettingException exception)
        {
            throw new SettingException($"{group}.{exception.Setting}", exception.Message);
        }
    }
}
