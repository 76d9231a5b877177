using System.Diagnostics;
using System.Runtime.CompilerServices;
using Serving.Tensors.Threading;

namespace Serving.Server.Jobs;

/// <summary>A worker as the server sees it.</summary>
internal sealed class WorkerProcess : IDisposable
{
    private const int LinesOfErrorsKept = 5;

    private readonly Process _process;
    private readonly Queue<string> _errors = new();
    private readonly Task _reading;

    private WorkerProcess(Process process)
    {
        _process = process;
        _reading = ReadErrorsAsync();
    }

    public int Id => _process.Id;

    /// <summary>Starts this very program with the worker verb: only idle processors are its own, and only some of them.</summary>
    /// <param name="processors">How many.</param>
    public static WorkerProcess Start(string orderFile, int processors)
    {
        var start = new ProcessStartInfo(Host())
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        foreach (var argument in (string[])[typeof(Worker).Assembly.Location, Worker.Verb, orderFile])
            start.ArgumentList.Add(argument);
        start.Environment["DOTNET_gcServer"] = "0"; // There is little to collect, and a heap for each processor would be large.

        // A process inherits rank and processors from the thread that starts it; a thread could not set them for those that
        // the runtime has begun by then.
        Process? process = null;
        Exception? failure = null;
        var starter = new Thread(() =>
        {
            SchedulingPriority.LowerToIdle();
            SchedulingPriority.KeepToLast(processors);
            try
            {
                process = Process.Start(start);
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        starter.Start();
        starter.Join();
        return process is not null ? new(process) : throw new IOException("The worker process can't be started.", failure);
    }

    /// <summary>What it says, until it ends.</summary>
    public async IAsyncEnumerable<WorkerMessage> MessagesAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await _process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
        {
            if (WorkerMessage.Parse(line) is { } message)
                yield return message;
        }
    }

    /// <summary>Asks it to end; it does within a step.</summary>
    public void Cancel()
    {
        try
        {
            _process.StandardInput.WriteLine(Worker.Cancel);
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            // It has ended already.
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <returns>How it ended, for people.</returns>
    public async Task<string> EndAsync()
    {
        await _process.WaitForExitAsync();
        await _reading;
        var errors = string.Join(" ", _errors);
        return $"exit code {_process.ExitCode}{(errors.Length > 0 ? $": {errors}" : "")}";
    }

    /// <summary>Ends it if it still runs.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
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
