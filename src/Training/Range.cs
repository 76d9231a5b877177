using System.Globalization;

namespace Serving.Training;

/// <summary>Checks of settings.</summary>
internal static class Range
{
    /// <exception cref="ArgumentException">It is not valid; the message names it and what is needed.</exception>
    public static void Require(bool isValid, string name, object value, string needed)
    {
        if (!isValid)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{name} is {value}; it must be {needed}."));
    }
}
