using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Serving.Inference.Scheduling;
using Serving.Threading;

namespace Serving.Jobs.Workers;

/// <summary>A worker in a process of its own.</summary>
internal sealed class WorkerProcess : IJobWorker
{
    private const int LinesOfErrorsKept = 5;

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly ProcessHandle _handle;
    private readonly EngineLoad? _load;
    private readonly TimeProvider _time;
    private readonly ManualResetEventSlim _over;
    private readonly Queue<string> _errors = new();
    private readonly Task _reading;
    private readonly Lock _gate = new(); // Guards the subscription.
    private IDisposable? _subscription;
    private bool _isCancelled;

    private WorkerProcess(Process process, EngineLoad? load, TimeProvider time, ManualResetEventSlim over)
    {
        _process = process;
        _handle = new(process.Id);
        _load = load;
        _time = time;
        _over = over;
        _reading = ReadErrorsAsync();
    }

    public int? ProcessId => _process.Id;

    /// <summary>
    /// Starts it with the runtime that runs this process, on some of the processors.
    /// </summary>
    /// <param name="program">The worker's assembly.</param>
    /// <param name="processors">How many.</param>
    /// <param name="load">
    /// While engines compute, the worker is halted: even the idle half of a machine shares caches and memory with the
    /// other. Null for one that is not.
    /// </param>
    public static WorkerProcess Start(
        string program, string orderFile, int processors, ProcessRank rank, EngineLoad? load, TimeProvider time)
    {
        var start = new ProcessStartInfo(Host())
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        start.ArgumentList.Add(program);
        start.ArgumentList.Add(orderFile);
        // Whatever the server's environment says: there is little to collect, and a heap for each processor is large.
        start.Environment["DOTNET_gcServer"] = "0";

        // A process inherits rank and processors from the thread that starts it; a thread could not set them for those
        // that the runtime has begun by then. The kernel ends it with that thread, which therefore waits.
        var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
        var over = new ManualResetEventSlim();
        var starter = new Thread(() =>
        {
            SchedulingPriority.LowerTo(rank);
            SchedulingPriority.KeepToLast(processors);
            try
            {
                started.SetResult(Process.Start(start) ?? throw new IOException("There is no process."));
            }
            catch (Exception exception)
            {
                started.SetException(new IOException("The worker process can't be started.", exception));
            }

            over.Wait();
        })
        {
            IsBackground = true,
            Name = "worker's parent"
        };
        starter.Start();
        try
        {
            return new(started.Task.GetAwaiter().GetResult(), load, time, over);
        }
        catch
        {
            over.Set();
            throw;
        }
    }

    public async IAsyncEnumerable<WorkerMessage> MessagesAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var messages = Channel.CreateUnbounded<WorkerMessage>();
        var reading = ReadAsync(messages.Writer, cancellationToken);
        using (Watch(messages.Writer))
        {
            await foreach (var message in messages.Reader.ReadAllAsync(cancellationToken))
                yield return message;
        }

        await reading;
    }

    public void Cancel()
    {
        lock (_gate)
        {
            _isCancelled = true;
            _subscription?.Dispose();
        }

        _handle.Continue();
        try
        {
            _process.StandardInput.WriteLine(WorkerMessage.Cancel);
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended already.
        }
    }

    public async Task<string> EndAsync()
    {
        await _process.WaitForExitAsync();
        await _reading;
        var errors = string.Join(" ", _errors);
        return $"exit code {_process.ExitCode}{(errors.Length > 0 ? $": {errors}" : "")}";
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isCancelled = true;
            _subscription?.Dispose();
        }

        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
        _handle.Dispose();
        _over.Set();
    }

    private async Task ReadAsync(ChannelWriter<WorkerMessage> messages, CancellationToken cancellationToken)
    {
        try
        {
            while (await _process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
            {
                var message = WorkerMessage.Parse(line);
                if (message is WorkerReady)
                    MakeRoom();
                else if (message is not null)
                    messages.TryWrite(message);
            }

            messages.TryComplete();
        }
        catch (Exception exception)
        {
            messages.TryComplete(exception);
        }
    }

    /// <summary>Says when the process is held back, until it is disposed: the process itself can't then.</summary>
    private ITimer Watch(ChannelWriter<WorkerMessage> messages)
    {
        var meter = new HoldMeter();
        var began = _time.GetTimestamp();
        var process = _process.Id;
        return _time.CreateTimer(
            _ =>
            {
                lock (meter)
                {
                    if (ProcessUse.Of(process) is { } use
                        && meter.Look(_time.GetElapsedTime(began), use.Processor, use.Wants))
                        messages.TryWrite(new WorkerHeldBack(meter.IsHeldBack));
                }
            },
            state: null,
            LookInterval,
            LookInterval);
    }

    private void MakeRoom()
    {
        lock (_gate)
        {
            if (_isCancelled || _load is null)
                return;
            _subscription = _load.Watch(isComputing =>
            {
                if (isComputing)
                    _handle.Halt();
                else
                    _handle.Continue();
            });
        }
    }

    /// <summary>The dotnet that runs this process, or the one on the path.</summary>
    private static string Host()
    {
        var path = Environment.ProcessPath;
        return path is not null && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet";
    }

    private async Task ReadErrorsAsync()
    {
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            _errors.Enqueue(line);
            if (_errors.Count > LinesOfErrorsKept)
                _errors.Dequeue();
        }
    }
}
