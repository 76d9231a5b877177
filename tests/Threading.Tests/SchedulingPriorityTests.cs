using System.Diagnostics;

namespace Serving.Threading.Tests;

public sealed class SchedulingPriorityTests
{
    [LinuxFact]
    public void KeepToLast_LeavesTheLastProcessors_AlsoToProcessesThatAreStarted()
    {
        var (before, after, inherited) = ("", "", "");
        var thread = new Thread(() =>
        {
            before = Allowed(File.ReadAllText("/proc/thread-self/status"));
            SchedulingPriority.KeepToLast(int.MaxValue);
            Assert.Equal(before, Allowed(File.ReadAllText("/proc/thread-self/status")));
            SchedulingPriority.KeepToLast(1);
            after = Allowed(File.ReadAllText("/proc/thread-self/status"));
            using var child = Process.Start(new ProcessStartInfo("cat", "/proc/self/status")
            {
                UseShellExecute = false,
                RedirectStandardOutput = true
            })!;
            inherited = Allowed(child.StandardOutput.ReadToEnd());
            child.WaitForExit();
        });
        thread.Start();
        thread.Join();

        Assert.Equal(before.Split(',', '-')[^1], after);
        Assert.Equal(after, inherited);
        Assert.Throws<ArgumentOutOfRangeException>(() => SchedulingPriority.KeepToLast(0));
    }

    /// <returns>"0-3,6"</returns>
    private static string Allowed(string status) => status.Split('\n')
        .Single(line => line.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))
        .Split(':')[1].Trim();
}

internal sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute() => Skip = OperatingSystem.IsLinux() ? null! : "Elsewhere it does nothing.";
}
