namespace Serving.Jobs.Workers;

/// <summary>Starts workers: processes here, or pods elsewhere.</summary>
public interface IJobLauncher
{
    /// <summary>How many threads of a worker may compute.</summary>
    int Threads { get; }

    /// <exception cref="IOException">It can't be started.</exception>
    IJobWorker Launch(WorkOrder order);
}

/// <summary>A worker at work on an order. Disposing of it ends it.</summary>
public interface IJobWorker : IDisposable
{
    /// <summary>The process on this machine; null if it is elsewhere.</summary>
    int? ProcessId { get; }

    /// <summary>What it says, until it ends.</summary>
    IAsyncEnumerable<WorkerMessage> MessagesAsync(CancellationToken cancellationToken);

    /// <summary>Asks it to end; it does within a step.</summary>
    void Cancel();

    /// <summary>Waits for its end.</summary>
    /// <returns>How it ended, for people.</returns>
    Task<string> EndAsync();
}
