using Serving.Inference.Scheduling;
using Serving.Storage;

namespace Serving.Jobs.Workers;

/// <summary>Workers as processes of this machine, beside the engines and behind them in rank.</summary>
/// <param name="program">The worker's assembly.</param>
/// <param name="threads">0 for half the processors, at least one.</param>
/// <param name="load">While engines compute, workers are halted.</param>
public sealed class LocalLauncher(string program, int threads, EngineLoad load, IFileSystem files) : IJobLauncher
{
    private const string OrderFile = "order.json";

    public int Threads { get; } = threads == 0 ? Math.Max(1, Environment.ProcessorCount / 2) : threads;

    public IJobWorker Launch(WorkOrder order)
    {
        var path = Path.Combine(order.Folder, OrderFile);
        files.Replace(path, order.ToJson());
        return WorkerProcess.Start(program, path, Threads, load);
    }
}
