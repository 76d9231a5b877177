using Serving.Inference.Scheduling;
using Serving.Storage;
using Serving.Threading;

namespace Serving.Jobs.Workers;

/// <summary>Workers as processes of this machine, beside the engines and behind them in rank.</summary>
/// <param name="program">The worker's assembly.</param>
/// <param name="threads">0 for half the processors, at least one.</param>
/// <param name="rank">Theirs. Only those of normal rank are not halted while engines compute.</param>
/// <param name="torchLibraries">See <see cref="WorkOrder"/>.</param>
/// <param name="load">Whether engines compute.</param>
public sealed class LocalLauncher(
    string program, int threads, ProcessRank rank, string? torchLibraries, EngineLoad load, IFileSystem files,
    TimeProvider time) : IJobLauncher
{
    private const string OrderFile = "order.json";

    public int Threads { get; } = threads == 0 ? Math.Max(1, Environment.ProcessorCount / 2) : threads;

    public IJobWorker Launch(WorkOrder order)
    {
        var path = Path.Combine(order.Folder, OrderFile);
        files.Replace(path, (order with { TorchLibraries = torchLibraries }).ToJson());
        return WorkerProcess.Start(
            program, path, Threads, rank, rank == ProcessRank.Normal ? null : load, time);
    }
}
