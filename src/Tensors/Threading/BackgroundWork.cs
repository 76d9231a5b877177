using System.Runtime.InteropServices;

namespace Serving.Tensors.Threading;

/// <summary>Work that must take no time from what is computed for somebody who waits.</summary>
public static partial class BackgroundWork
{
    // A tenth of the weight of a normal thread: it gets idle time, and little else.
    private const int Niceness = 10;

    private const int ThisThread = 0;

    /// <summary>Runs work on a thread of its own, which the operating system schedules after others where it can.</summary>
    public static Task<T> RunAsync<T>(Func<T> work)
    {
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                if (OperatingSystem.IsLinux())
                    _ = SetPriority(which: 0, ThisThread, Niceness); // Linux: of the thread. A hint; it may fail.
                else
                    Thread.CurrentThread.Priority = ThreadPriority.Lowest;
                result.SetResult(work());
            }
            catch (Exception exception)
            {
                result.SetException(exception);
            }
        })
        {
            IsBackground = true,
            Name = "background"
        };
        thread.Start();
        return result.Task;
    }

    [LibraryImport("libc", EntryPoint = "setpriority")]
    private static partial int SetPriority(int which, int who, int niceness);
}
