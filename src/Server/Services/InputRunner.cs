using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Inference.Classification;
using Serving.Server.Requests;
using Serving.Server.Telemetry;
using Serving.Storage;
using Serving.Text.Bert;

namespace Serving.Server.Services;

/// <summary>How all inputs of a call are run.</summary>
/// <param name="Place">See <see cref="TaskRouter.Place"/>.</param>
internal sealed record CallSettings(
    Truncation Truncation, int Priority, double Place, DateTimeOffset? Deadline, CancellationToken Cancelled)
{
    /// <summary>See <see cref="ClassificationRequest.WantsPooled"/>.</summary>
    public bool WantsPooled { get; init; }

    /// <summary>See <see cref="ClassificationRequest.IsPaced"/>.</summary>
    public bool IsPaced { get; init; }
}

/// <summary>What the tasks said of one input, in the request's order.</summary>
internal sealed record InputScores(IReadOnlyList<TaskScores> Scores, ClassificationResult Whole);

/// <summary>Runs an input under its tasks, each on the engine of its model.</summary>
internal sealed class InputRunner(TaskRouter router, ShadowRunner shadows, ServerMetrics metrics)
{
    /// <summary>
    /// Why inputs would be turned away now, whatever their texts: a look that costs little, as under overload it is for
    /// most.
    /// </summary>
    /// <param name="place">See <see cref="TaskRouter.Place"/>.</param>
    /// <returns>Null if there may be room; not thrown, which would cost more than all the rest of a refusal.</returns>
    public RpcException? Refusal(IReadOnlyList<V1.TaskReference> tasks, double place)
    {
        var table = router.Table;
        RpcException error;
        try
        {
            var route = TaskRouter.Resolve(table, tasks[0].ToSelector(), place, "tasks[0]");
            if (!route.Host.Engine.IsFull(route.Task, out var retryAfter))
                return null;
            error = Errors.ResourceExhausted("The queue is full; retry later.", retryAfter);
        }
        catch (DomainException exception)
        {
            error = Errors.Of(exception);
        }

        Count(error, tasks, table);
        return error;
    }

    /// <param name="input">Its path in the request, for errors.</param>
    /// <exception cref="RpcException">It failed.</exception>
    public async Task<InputScores> RunAsync(
        V1.TextInput text, IReadOnlyList<V1.TaskReference> tasks, CallSettings settings, string input)
    {
        var request = new ClassificationRequest
        {
            Text = text.Text,
            Pair = text.HasPair ? text.Pair : null,
            Tasks = [],
            Truncation = settings.Truncation,
            Priority = settings.Priority,
            Deadline = settings.Deadline,
            WantsPooled = settings.WantsPooled,
            IsPaced = settings.IsPaced
        };
        while (true)
        {
            var table = router.Table;
            try
            {
                var routes = new TaskRoute[tasks.Count];
                for (var i = 0; i < routes.Length; i++)
                    routes[i] = TaskRouter.Resolve(
                        table, tasks[i].ToSelector(), settings.Place, $"tasks[{i}]");
                var scores = await RunAsync(request, routes, settings.Cancelled);
                foreach (var route in routes)
                    metrics.TaskDone(route.Task, "ok");
                shadows.Run(request, routes, scores.Scores);
                return scores;
            }
            catch (Exception exception) when (IsStale(exception) && router.Table != table)
            {
                // A version or model went between the look at the table and the engine; the new table does not have it.
            }
            catch (Exception exception) when (EngineErrors.IsExpected(exception))
            {
                var error = EngineErrors.OfInput(exception, input);
                Count(error, tasks, table);
                throw error;
            }
        }
    }

    private void Count(RpcException error, IReadOnlyList<V1.TaskReference> tasks, RoutingTable table)
    {
        foreach (var task in tasks)
            metrics.TaskDone(
                table.Tasks.ContainsKey(task.Task) ? task.Task : ServerMetrics.OtherTasks, error.StatusCode.ToString());
    }

    private static bool IsStale(Exception exception) =>
        exception is UnknownTaskException or EngineClosedException or ObjectDisposedException;

    private static async Task<InputScores> RunAsync(
        ClassificationRequest request, TaskRoute[] routes, CancellationToken cancelled)
    {
        var host = routes[0].Host;
        if (Array.TrueForAll(routes, route => route.Host == host))
        {
            var answer = await host.Engine.ClassifyAsync(
                request with { Tasks = [.. routes.Select(Reference)] }, cancelled);
            return new(answer.Scores, answer);
        }

        // Tasks of several backbones: the parts run side by side, and are put together in the request's order.
        var parts = routes.GroupBy(route => route.Host)
            .Select(part => (Routes: part.ToList(), Answer: ClassifyAsync(part.Key, [.. part.Select(Reference)])))
            .ToList();
        await Task.WhenAll(parts.Select(part => part.Answer));
        var scores = new TaskScores[routes.Length];
        foreach (var (own, answer) in parts)
        {
            var next = 0;
            for (var i = 0; i < routes.Length; i++)
            {
                if (routes[i].Host == own[0].Host)
                    scores[i] = answer.Result.Scores[next++];
            }
        }

        return new(scores, parts.Select(part => part.Answer.Result).MaxBy(answer => answer.Queued + answer.Computed)!);

        async Task<ClassificationResult> ClassifyAsync(ModelHost host, IReadOnlyList<TaskReference> tasks) =>
            await host.Engine.ClassifyAsync(request with { Tasks = tasks }, cancelled);
    }

    private static TaskReference Reference(TaskRoute route) => new(route.Task, route.Version.Version);
}
