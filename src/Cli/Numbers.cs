using System.CommandLine;
using System.Globalization;

namespace Serving.Cli;

/// <summary>Options that are numbers.</summary>
internal static class Numbers
{
    /// <summary>Refuses what only looks like a number, such as 0,5: read leniently, that would be 5.</summary>
    /// <param name="option">Of a floating-point type, or a list of one.</param>
    /// <param name="besides">A word that is valid, too; null for none.</param>
    public static TOption OnlyStrict<TOption>(this TOption option, string? besides = null)
        where TOption : Option
    {
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
            {
                if (token.Value == besides
                    || double.TryParse(token.Value, NumberStyles.Float, CultureInfo.InvariantCulture, out _))
                    continue;
                var or = besides is null ? "" : $", or {besides}";
                result.AddError($"{option.Name}: '{token.Value}' is no number; one is written like 0.5{or}.");
            }
        });
        return option;
    }
}
