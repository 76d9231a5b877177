using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Serving.Bench;

/// <summary>Runs, medians and the facts that every result carries.</summary>
internal static class Measurement
{
    private static readonly JsonSerializerOptions Json =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Twice at least, and until the runtime has compiled what is hot.
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(1.5);

    /// <summary>Times some runs after warming up, and gives the median.</summary>
    public static TimeSpan Median(int runs, Action run)
    {
        var begin = Stopwatch.GetTimestamp();
        run();
        do
            run();
        while (Stopwatch.GetElapsedTime(begin) < WarmUp);
        return Median(Enumerable.Range(0, runs).Select(_ =>
        {
            var start = Stopwatch.GetTimestamp();
            run();
            return Stopwatch.GetElapsedTime(start);
        }));
    }

    public static TimeSpan Median(IEnumerable<TimeSpan> times)
    {
        var sorted = times.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    /// <summary>Prints a result, as JSON or for reading, with machine, SDK and date.</summary>
    public static void Print(bool asJson, params (string Name, object? Value)[] fields)
    {
        var all = fields.Concat(Machine()).ToDictionary(field => field.Name, field => field.Value);
        Console.WriteLine(asJson
            ? JsonSerializer.Serialize(all, Json)
            : string.Join("  ", fields.Select(field => $"{field.Name} {Text(field.Value)}")));
    }

    public static double Rounded(double value) => Math.Round(value, value >= 100 ? 1 : value >= 1 ? 2 : 4);

    /// <summary>Nothing if there is none.</summary>
    public static double? Rounded(double? value) => value is { } known ? Rounded(known) : null;

    private static object Text(object? value) => value is double[] values ? string.Join(' ', values) : value ?? "-";

    private static (string Name, object? Value)[] Machine() =>
    [
        ("cpu", CpuName()),
        ("runtime", RuntimeInformation.FrameworkDescription),
        ("date", DateTime.UtcNow.ToString("yyyy-MM-dd"))
    ];

    private static string CpuName()
    {
        const string file = "/proc/cpuinfo";
        var line = File.Exists(file)
            ? File.ReadLines(file).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 2)..];
    }
}
