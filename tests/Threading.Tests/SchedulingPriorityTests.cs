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

    /// <summary>Processes that a thread starts have its rank, and threads of theirs do not raise it.</summary>
    [LinuxFact]
    public void LowerTo_ARank_IsInherited_AndNeverRaised()
    {
        foreach (var rank in Enum.GetValues<ProcessRank>())
        {
            var (policy, niceness, lowered) = (0, 0, (0, 0));
            var thread = new Thread(() =>
            {
                SchedulingPriority.LowerTo(rank);
                (policy, niceness) = Rank();
                SchedulingPriority.Lower(SchedulingPriority.Compute);
                lowered = Rank();
            });
            thread.Start();
            thread.Join();
            Assert.Equal(rank == ProcessRank.Idle ? 5 : 0, policy); // SCHED_IDLE, SCHED_OTHER
            Assert.True(rank != ProcessRank.Low || niceness >= SchedulingPriority.Background);
            var expected = rank == ProcessRank.Normal ? Math.Max(niceness, SchedulingPriority.Compute) : niceness;
            Assert.Equal((policy, expected), lowered);
        }

        // Fields of proc_pid_stat(5), counted behind the state: niceness is the 19th, the policy the 41st.
        static (int Policy, int Niceness) Rank()
        {
            var line = File.ReadAllText("/proc/thread-self/stat");
            var fields = line[(line.LastIndexOf(')') + 2)..].Split(' ');
            return (int.Parse(fields[41 - 3]), int.Parse(fields[19 - 3]));
        }
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
