using System.Globalization;

namespace Serving.Training.Settings;

/// <summary>A setting of a job is not valid; nothing was begun.</summary>
/// <param name="setting">Its path in the recipe's message, or the property that it is named after.</param>
/// <param name="reason">What was found and what is needed: a sentence that does not name the setting.</param>
public sealed class SettingException(string setting, string reason) : ArgumentException(reason)
{
    /// <summary>Its path in the recipe's message: "mask.layers".</summary>
    public string Setting { get; } = SettingNames.Of(setting);

    /// <summary>The message without the setting's name.</summary>
    public string Reason { get; } = reason;

    public override string Message => $"{Setting}: {Reason}";

    /// <param name="found">What it is.</param>
    /// <param name="needed">What it may be: "1 to 1000".</param>
    /// <exception cref="SettingException">It is not valid.</exception>
    public static void ThrowUnless(bool isValid, string setting, object? found, string needed)
    {
        if (!isValid)
        {
            throw new SettingException(
                setting, string.Create(CultureInfo.InvariantCulture, $"It is {found}; it must be {needed}."));
        }
    }

    /// <summary>Runs a check of settings that are in a message of their own.</summary>
    public static void Within(string group, Action check)
    {
        try
        {
            check();
        }
        catch (SettingException exception)
        {
            throw new SettingException($"{group}.{exception.Setting}", exception.Reason);
        }
    }
}
