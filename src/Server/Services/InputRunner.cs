using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
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
    /// Routes an input's tasks and asks for a place in the queue, whatever its text: under overload most get no more.
    /// </summary>
    /// <param name="place">See <see cref="TaskRouter.Place"/>.</param>
    /// <param name="isPaced">See <see cref="ClassificationRequest.IsPaced"/>.</param>
    /// <returns>A refusal is not thrown, which would cost more than all the rest of it.</returns>
    public InputAdmission Admit(IReadOnlyList<V1.TaskReference> tasks, double place, bool isPaced)
    {
        while (true)
        {
            var table = router.Table;
            RpcException refusal;
            try
            {
                var admission = Admit(table, tasks, place, isPaced);
                if (admission.Refusal is null)
                    return admission;
                refusal = admission.Refusal;
            }
            catch (Exception exception) when (IsStale(exception) && router.Table != table)
            {
                continue; // A model went; the new table does not have it.
            }
            catch (Exception exception) when (EngineErrors.IsExpected(exception))
            {
                refusal = EngineErrors.Of(exception);
            }

            Count(refusal, tasks, table);
            return new(table, [], Place: null, refusal);
        }
    }

    /// <param name="input">Its path in the request, for errors.</param>
    /// <exception cref="RpcException">It was turned away or failed.</exception>
    public Task<InputScores> RunAsync(
        V1.TextInput text, IReadOnlyList<V1.TaskReference> tasks, CallSettings settings, string input)
    {
        var admission = Admit(tasks, settings.Place, settings.IsPaced);
        return admission.Refusal is { } refusal
            ? Task.FromException<InputScores>(refusal)
            : RunAsync(text, tasks, admission, settings, input);
    }

    /// <param name="admission">Is used up.</param>
    /// <param name="input">Its path in the request, for errors.</param>
    /// <exception cref="RpcException">It failed.</exception>
    public async Task<InputScores> RunAsync(
        V1.TextInput text, IReadOnlyList<V1.TaskReference> tasks, InputAdmission admission, CallSettings settings,
        string input)
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
            try
            {
                var scores = await RunAsync(request, admission, settings.Cancelled);
                foreach (var route in admission.Routes)
                    metrics.TaskDone(route.Task, "ok");
                shadows.Run(request, admission.Routes, scores.Scores);
                return scores;
            }
            catch (Exception exception) when (IsStale(exception) && router.Table != admission.Table)
            {
                // A version or model went between the look at the table and the engine; the new table does not have it.
                admission = Admit(tasks, settings.Place, settings.IsPaced);
                if (admission.Refusal is { } refusal)
                    throw refusal;
            }
            catch (Exception exception) when (EngineErrors.IsExpected(exception))
            {
                var error = EngineErrors.OfInput(exception, input);
                Count(error, tasks, admission.Table);
                throw error;
            }
        }
    }

    /// <remarks>The place comes before the other tasks' routes, which a refusal does not need.</remarks>
    private static InputAdmission Admit(
        RoutingTable table, IReadOnlyList<V1.TaskReference> tasks, double place, bool isPaced)
    {
        var first = TaskRouter.Resolve(table, tasks[0].ToSelector(), place, "tasks[0]");
        if (!first.Host.Engine.TryReserve(first.Task, isPaced, out var reservation, out var full))
        {
            var refusal = Errors.ResourceExhausted("The queue is full; retry later.", full.RetryAfter);
            return new(table, [], Place: null, refusal);
        }

        try
        {
            var routes = new TaskRoute[tasks.Count];
            routes[0] = first;
            for (var i = 1; i < routes.Length; i++)
                routes[i] = TaskRouter.Resolve(table, tasks[i].ToSelector(), place, $"tasks[{i}]");
            return new(table, routes, reservation, Refusal: null);
        }
        catch
        {
            reservation.Dispose();
            throw;
        }
    }

    private void Count(RpcException error, IReadOnlyList<V1.TaskReference> tasks, RoutingTable table)
    {
        foreach (var task in tasks)
            metrics.TaskDone(
                table.Tasks.ContainsKey(task.Task) ? task.Task : ServerMetrics.OtherTasks, error.StatusCode.ToString());
    }

    private static bool IsStale(Exception exception) =>
        exception is NotResidentException or EngineClosedException or ObjectDisposedException;

    private static async Task<InputScores> RunAsync(
        ClassificationRequest request, InputAdmission admission, CancellationToken cancelled)
    {
        var routes = admission.Routes;
        var host = routes[0].Host;
        if (Array.TrueForAll(routes, route => route.Host == host))
        {
            var answer = await ClassifyAsync(host, [.. routes.Select(Reference)]);
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

        // The first task's engine is the one that was asked for a place.
        async Task<ClassificationResult> ClassifyAsync(ModelHost onHost, IReadOnlyList<TaskReference> tasks)
        {
            var part = request with { Tasks = tasks };
            return onHost == host
                ? await host.Engine.ClassifyAsync(part, admission.Place!, cancelled)
                : await onHost.Engine.ClassifyAsync(part, cancelled);
        }
    }

    private static TaskReference Reference(TaskRoute route) => new(route.Task, route.Version.Version);
}
