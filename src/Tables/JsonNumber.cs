using System.Globalization;

namespace Serving.Tables;

/// <summary>One spelling for equal numbers.</summary>
internal static class JsonNumber
{
    /// <summary>The most digits before the point, and zeros behind it, that are written out.</summary>
    private const int MostDigits = 21;
    private const int MostZeros = 6;

    /// <summary>Exact, whatever the number of digits: 1, 1.0 and 10e-1 are "1".</summary>
    /// <param name="raw">A number as JSON spells it.</param>
    public static string Canonical(string raw)
    {
        var mark = raw.AsSpan().IndexOfAny('e', 'E');
        var exponent = 0L;
        if (mark >= 0 && !long.TryParse(
            raw.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent))
            return raw;
        var sign = raw[0] == '-' ? "-" : "";
        var mantissa = raw[sign.Length..(mark < 0 ? raw.Length : mark)];
        var point = mantissa.IndexOf('.');
        var all = mantissa.Replace(".", "", StringComparison.Ordinal);
        var digits = all.TrimStart('0');
        if (digits.Length == 0)
            return "0";
        if (Math.Abs(exponent) > long.MaxValue / 2)
            return raw;
        // The value is 0.digits times ten to the power.
        var power = exponent + (point < 0 ? all.Length : point) - (all.Length - digits.Length);
        return sign + Spelled(digits.TrimEnd('0'), power);
    }

    private static string Spelled(string digits, long power) => power switch
    {
        > MostDigits or <= -MostZeros => string.Create(
            CultureInfo.InvariantCulture, $"{digits[0]}{(digits.Length > 1 ? "." : "")}{digits[1..]}e{power - 1}"),
        <= 0 => $"0.{new string('0', (int)-power)}{digits}",
        _ when power >= digits.Length => digits.PadRight((int)power, '0'),
        _ => $"{digits[..(int)power]}.{digits[(int)power..]}"
    };
}
