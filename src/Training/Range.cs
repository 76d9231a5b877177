using System.Globalization;

namespace Serving.Training;

/// <summary>A setting of a job is not valid; nothing was begun.</summary>
/// <param name="setting">Its name.</param>
public sealed class SettingException(string setting, string message) : ArgumentException(message)
{
    public string Setting { get; } = setting;
}

/// <summary>Checks of settings.</summary>
internal static class Range
{
    /// <exception cref="SettingException">It is not valid; the message names it and what is needed.</exception>
    public static void Require(bool isValid, string name, object value, string needed)
    {
        if (!isValid)
        {
            throw new SettingException(
                name, string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be {needed}."));
        }
    }
}
