using System.Globalization;

namespace Serving.Training.Analysis;

/// <summary>An axis with round ticks: multiples of 1, 2 or 5 times a power of ten, which enclose the values.</summary>
internal sealed class PlotAxis
{
    private const double Largest = 1e300; // Differences of larger numbers may be infinite,
    private const double Smallest = 1e-300; // and steps between smaller ones 0.
    private const double Tolerance = 1e-9; // Of quotients that should be whole numbers.
    private const int MostDigits = 6; // Before and after the point; longer numbers have an exponent.

    /// <param name="values">What the axis encloses; those that are not finite are ignored.</param>
    /// <param name="mostSteps">About how many steps to take at most; at least 1.</param>
    public PlotAxis(IEnumerable<double> values, int mostSteps)
    {
        var finite = values.Where(double.IsFinite).Select(Representable).DefaultIfEmpty(0).ToList();
        var (least, most) = (finite.Min(), finite.Max());
        var magnitude = Math.Max(Math.Abs(least), Math.Abs(most));
        if (most - least <= Tolerance * magnitude)
        {
            // One value, or values that no label can tell apart: as much room on both sides.
            var margin = magnitude > 0 ? magnitude / 2 : 0.5;
            (least, most) = (least - margin, most + margin);
        }

        var step = RoundUp((most - least) / mostSteps);
        var first = (long)Math.Floor((least / step) + Tolerance);
        var last = (long)Math.Ceiling((most / step) - Tolerance);
        Ticks = [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)];
        var format = Format(step, Math.Max(Math.Abs(Ticks[0]), Math.Abs(Ticks[^1])));
        Labels = [.. Ticks.Select(tick => tick.ToString(format, CultureInfo.InvariantCulture))];
    }

    /// <summary>At least two, ascending; the axis begins at the first and ends at the last.</summary>
    public IReadOnlyList<double> Ticks { get; }

    /// <summary>The ticks in as many digits as tell them apart.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>Where a value is: 0 at the first tick, 1 at the last.</summary>
    public double Part(double value) => (Representable(value) - Ticks[0]) / (Ticks[^1] - Ticks[0]);

    private static double Representable(double value) =>
        Math.Abs(value) < Smallest ? 0 : Math.Clamp(value, -Largest, Largest);

    private static double RoundUp(double step)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(step)));
        var fraction = step / power;
        var round = ((double[])[1, 2, 5, 10]).First(candidate => fraction <= candidate * (1 + Tolerance));
        return round * power;
    }

    private static string Format(double step, double largest)
    {
        var ofStep = (int)Math.Floor(Math.Log10(step) + Tolerance);
        var ofLargest = (int)Math.Floor(Math.Log10(largest) + Tolerance);
        if (ofLargest < MostDigits && -ofStep <= MostDigits)
            return $"F{Math.Max(0, -ofStep)}";
        var scientific = $"0.{new string('#', Math.Max(0, ofLargest - ofStep))}e0";
        return $"{scientific};-{scientific};0";
    }
}
