using Serving.Jobs.Workers;

namespace Serving.Jobs.Tests;

public sealed class HoldMeterTests
{
    [Fact]
    public void Process_ThatCouldRunButDoesNot_IsHeldBack_UntilItDoes()
    {
        var meter = new HoldMeter();
        Assert.False(meter.Look(At(0), At(7), wants: true)); // The first look knows no share.
        Assert.False(meter.Look(At(5), At(12), wants: true)); // All of a processor.
        Assert.True(meter.Look(At(10), At(12.2), wants: true)); // 4 percent.
        Assert.True(meter.IsHeldBack);
        Assert.False(meter.Look(At(15), At(12.9), wants: true)); // 14 percent: not yet free.
        Assert.True(meter.IsHeldBack);
        Assert.True(meter.Look(At(20), At(15), wants: true));
        Assert.False(meter.IsHeldBack);
    }

    [Fact]
    public void Process_ThatWaitsForADisk_IsNot()
    {
        var meter = new HoldMeter();
        meter.Look(At(0), At(0), wants: false);
        Assert.False(meter.Look(At(5), At(0), wants: false));
        Assert.False(meter.Look(At(5), At(0), wants: true)); // No time has gone by.
        Assert.False(meter.IsHeldBack);
    }

    [Fact]
    public void Use_IsThatOfThisProcess()
    {
        if (!OperatingSystem.IsLinux())
            return;
        var use = ProcessUse.Of(Environment.ProcessId)!;
        Assert.True(use.Processor > TimeSpan.Zero);
        Assert.True(use.Wants); // This thread runs.
        Assert.Null(ProcessUse.Of(int.MaxValue));
    }

    private static TimeSpan At(double seconds) => TimeSpan.FromSeconds(seconds);
}
