using System.Text.Json;
using Serving.Backends;
using Serving.Jobs.Store;
using Serving.Jobs.Workers;
using Serving.Storage;
using Serving.Tensors;
using Serving.Training;
using Serving.Training.Recipes;

namespace Serving.Worker;

/// <summary>Runs one job in a process of its own, so that its end is nobody else's.</summary>
/// <remarks>
/// Messages go to standard output. The line "cancel" on standard input cancels; its end means that the server is gone.
/// </remarks>
internal static class JobWorker
{
    /// <summary>Runs the order in a file.</summary>
    /// <returns>The exit code: 0, whatever came of the job; it is said on standard output.</returns>
    public static int Run(string orderFile)
    {
        WorkOrder order;
        try
        {
            order = WorkOrder.Read(orderFile);
        }
        catch (Exception exception) when (exception is IOException or JsonException)
        {
            Say(new WorkerFailed($"The order {orderFile} can't be read: {exception.Message}"));
            return 0;
        }

        BeFirstToLackMemory();
        if (ProcessHandle.EndWithParent())
            Say(new WorkerReady());
        using var cancellation = new CancellationTokenSource();
        var control = new Thread(() => Listen(cancellation)) { IsBackground = true, Name = "control" };
        control.Start();
        Say(Run(order, TimeProvider.System, cancellation.Token));
        return 0;
    }

    private static WorkerMessage Run(WorkOrder order, TimeProvider time, CancellationToken cancelled)
    {
        try
        {
            using var alone = Lock(Path.Combine(order.Folder, JobLeftovers.LockFile), cancelled);
            using var backend = BackendFactory.Create(
                order.Device, new() { Threads = order.Threads, TorchLibraries = order.TorchLibraries });
            var arithmetic = CudaDriver.Of(order.Device) is { } gpu
                ? $"{gpu.Name}, {backend.Arithmetic}"
                : backend.Arithmetic;
            if (FirstDevice.Differs(order.Folder, arithmetic) is { } warning)
                Say(new WorkerWarning(Step: 0, warning));
            return Run(order, backend, time, cancelled);
        }
        catch (OperationCanceledException)
        {
            return new WorkerCancelled();
        }
        catch (Exception exception) // Whatever it is, it is the job's end and not the server's.
        {
            return new WorkerFailed(DiskFailure.Message(exception));
        }
    }

    private static WorkerMessage Run(
        WorkOrder order, TrainingBackend backend, TimeProvider time, CancellationToken cancelled)
    {
        try
        {
            var result = Recipe.Parse(order.Recipe).Run(new()
            {
                Job = order.Job,
                Folder = order.Folder,
                Inputs = new OrderInputs(order),
                Backend = backend,
                Observer = new Observer(time),
                Time = time,
                CancellationToken = cancelled
            });
            return new WorkerDone(result.Metrics, result.TaskVersion, result.Model);
        }
        catch (Exception exception) when (backend.Explain(exception) is var meaning && meaning != exception)
        {
            return new WorkerFailed(meaning.Message);
        }
    }

    /// <summary>
    /// Where memory runs out, Linux ends this process, and not the server. A hint: it may fail, or mean nothing.
    /// </summary>
    private static void BeFirstToLackMemory()
    {
        try
        {
            File.WriteAllText("/proc/self/oom_score_adj", "1000");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Another system, or one that forbids it.
        }
    }

    /// <summary>
    /// Waits until no other process works on the job: one whose server was killed needs a moment to notice.
    /// </summary>
    private static FileStream Lock(string path, CancellationToken cancelled)
    {
        const int attempts = 300;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException exception) when (DiskFailure.IsInUse(exception) && attempt < attempts)
            {
                cancelled.WaitHandle.WaitOne(TimeSpan.FromMilliseconds(100));
                cancelled.ThrowIfCancellationRequested();
            }
        }
    }

    private static void Listen(CancellationTokenSource cancellation)
    {
        while (Console.In.ReadLine() is { } line)
        {
            if (line == WorkerMessage.Cancel)
                cancellation.Cancel();
        }

        Environment.Exit(1); // The server is gone; it will begin the job again.
    }

    private static void Say(WorkerMessage message)
    {
        Console.Out.WriteLine(message.ToLine());
        Console.Out.Flush();
    }

    private sealed class OrderInputs(WorkOrder order) : IRecipeInputs
    {
        public string ModelFolder(string name) => order.Models[name];

        public string DatasetFolder(string name) => order.Datasets[name];

        public string TaskFolder(VersionInput task) => order.Tasks[WorkOrder.TaskKey(task.Task, task.Version)];
    }

    /// <summary>Says something once a second, and whatever was measured.</summary>
    private sealed class Observer(TimeProvider time) : ITrainingObserver
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

        private readonly long _began = time.GetTimestamp();
        private long? _said;
        private long _steps;
        private long _tokens;

        public void Stepped(TrainingProgress progress)
        {
            _steps++;
            _tokens += progress.Tokens;
            var isLast = progress.Step == progress.TotalSteps;
            if (!isLast && _said is { } said && time.GetElapsedTime(said) < Interval)
                return;
            _said = time.GetTimestamp();
            var seconds = time.GetElapsedTime(_began).TotalSeconds;
            Say(new WorkerProgress(
                progress.Step,
                progress.TotalSteps,
                progress.Loss,
                progress.LearningRate,
                seconds > 0 ? _tokens / seconds : 0,
                seconds > 0 ? (progress.TotalSteps - progress.Step) * seconds / _steps : null));
        }

        public void Evaluated(long step, IReadOnlyDictionary<string, double> metrics, bool isBest) =>
            Say(new WorkerEvaluation(step, metrics, isBest));

        public void Warned(long step, string message) => Say(new WorkerWarning(step, message));
    }
}
