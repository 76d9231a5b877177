using System.Globalization;

namespace Grpc.Wire;

/// <summary>The grpc-timeout header: one to eight digits and a unit, H M S m u n.</summary>
internal static class GrpcTimeout
{
    private const long MaxValue = 99_999_999;
    private const long NanosecondsPerTick = 100;
    private const long TicksPerMicrosecond = TimeSpan.TicksPerMillisecond / 1000;

    private static readonly (long Ticks, char Unit)[] Units =
    [
        (TicksPerMicrosecond, 'u'),
        (TimeSpan.TicksPerMillisecond, 'm'),
        (TimeSpan.TicksPerSecond, 'S'),
        (TimeSpan.TicksPerMinute, 'M'),
        (TimeSpan.TicksPerHour, 'H')
    ];

    /// <summary>
    /// The finest unit that eight digits can hold, whole milliseconds where they are exact; rounded up, so that the
    /// server never gives up before the client does.
    /// </summary>
    public static string Encode(TimeSpan timeout)
    {
        var ticks = timeout.Ticks;
        if (ticks <= 0)
        {
            return "0m";
        }

        if (ticks % TimeSpan.TicksPerMillisecond == 0 && ticks / TimeSpan.TicksPerMillisecond <= MaxValue)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{ticks / TimeSpan.TicksPerMillisecond}m");
        }

        foreach (var (unitTicks, unit) in Units)
        {
            var value = (ticks + unitTicks - 1) / unitTicks;
            if (value <= MaxValue)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"{MaxValue}H");
    }

    /// <summary>Reads a header; a time past what TimeSpan holds becomes <see cref="TimeSpan.MaxValue"/>.</summary>
    public static bool TryParse(ReadOnlySpan<char> header, out TimeSpan timeout)
    {
        timeout = default;
        if (header.Length is < 2 or > 9
            || !long.TryParse(header[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        var unitTicks = header[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TicksPerMicrosecond,
            'n' => 0,
            _ => -1
        };
        if (unitTicks < 0)
        {
            return false;
        }

        timeout = unitTicks == 0
            ? TimeSpan.FromTicks((value + NanosecondsPerTick - 1) / NanosecondsPerTick)
            : value > TimeSpan.MaxValue.Ticks / unitTicks
                ? TimeSpan.MaxValue
                : TimeSpan.FromTicks(value * unitTicks);
        return true;
    }
}
