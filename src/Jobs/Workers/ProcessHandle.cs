using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Serving.Jobs.Workers;

/// <summary>
/// Halts a process and lets it go on; a handle, so that no other process can be meant once it has ended.
/// </summary>
/// <remarks>Linux; elsewhere it does nothing. A hint: it may fail.</remarks>
public sealed partial class ProcessHandle(int process) : IDisposable
{
    private const int OpenCall = 434; // pidfd_open, the same on all architectures.
    private const int SendSignalCall = 424; // pidfd_send_signal
    private const int StopSignal = 19;
    private const int ContinueSignal = 18;
    private const int KillSignal = 9;
    private const int SetParentDeathSignal = 1;

    private readonly SafeFileHandle? _handle = OperatingSystem.IsLinux()
        ? new(SystemCall(OpenCall, process, 0, 0, 0), ownsHandle: true)
        : null;

    /// <summary>The kernel ends this process with the thread that started it, also while it is halted.</summary>
    /// <returns>Whether that is so.</returns>
    public static bool EndWithParent() => OperatingSystem.IsLinux() && Control(SetParentDeathSignal, KillSignal) == 0;

    public void Halt() => Send(StopSignal);

    public void Continue() => Send(ContinueSignal);

    public void Dispose() => _handle?.Dispose();

    private void Send(int signal)
    {
        if (_handle is { IsInvalid: false, IsClosed: false })
            _ = SystemCall(SendSignalCall, _handle.DangerousGetHandle(), signal, 0, 0);
    }

    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint call, nint a, nint b, nint c, nint d);

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nuint value);
}
