using System.Globalization;

namespace Serving.Jobs.Workers;

/// <summary>What a process has had of the processors, as Linux counts it.</summary>
/// <param name="Processor">The time of all of its threads together.</param>
/// <param name="Wants">Whether a thread runs, waits for a processor or is halted.</param>
internal sealed record ProcessUse(TimeSpan Processor, bool Wants)
{
    private const int UserTime = 11; // Behind the name, as is the state: proc_pid_stat(5).
    private const int SystemTime = 12;
    private const int TicksPerSecond = 100; // USER_HZ

    /// <returns>Null elsewhere than on Linux, and once it has ended.</returns>
    public static ProcessUse? Of(int process)
    {
        try
        {
            var fields = Fields($"/proc/{process}/stat");
            var ticks = long.Parse(fields[UserTime], CultureInfo.InvariantCulture)
                + long.Parse(fields[SystemTime], CultureInfo.InvariantCulture);
            var wants = Directory.GetDirectories($"/proc/{process}/task")
                .Any(thread => Fields(Path.Combine(thread, "stat"))[0] is "R" or "T");
            return new(TimeSpan.FromSeconds((double)ticks / TicksPerSecond), wants);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string[] Fields(string path)
    {
        var line = File.ReadAllText(path);
        return line[(line.LastIndexOf(')') + 2)..].Split(' ');
    }
}
