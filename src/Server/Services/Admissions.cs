using Grpc.Core;
using Serving.Catalog;
using Serving.Inference.Classification;
using Serving.Inference.Scheduling;
using Serving.Server.Requests;
using Serving.Server.Telemetry;

namespace Serving.Server.Services;

/// <summary>What an input runs on: tasks, or a model as it is.</summary>
/// <param name="Tasks">Empty for the model alone.</param>
/// <param name="Model">Empty for that of the first task, or the only one.</param>
/// <param name="TaskField">What names the task in the request; null where "tasks" is a list of them.</param>
internal readonly record struct InputTarget(
    IReadOnlyList<V1.TaskReference> Tasks, string Model = "", string? TaskField = null)
{
    /// <summary>The path of a task in the request, for errors.</summary>
    public string Field(int task) => TaskField ?? $"tasks[{task}]";
}

/// <summary>Finds what inputs run on and a place there; runs them, again if it went away meanwhile.</summary>
internal sealed class Admissions(TaskRouter router, ServerMetrics metrics)
{
    /// <summary>
    /// Routes an input and asks for a place in the queue, whatever its text: under overload most get no more.
    /// </summary>
    /// <param name="place">See <see cref="TaskRouter.Place"/>.</param>
    /// <param name="isPaced">See <see cref="TextRequest.IsPaced"/>.</param>
    /// <returns>A refusal is not thrown, which would cost more than all the rest of it.</returns>
    public InputAdmission Admit(InputTarget target, double place, bool isPaced)
    {
        while (true)
        {
            var table = router.Table;
            RpcException refusal;
            try
            {
                var admission = Admit(table, target, place, isPaced);
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

            Count(refusal, target.Tasks, table);
            return new(table, Host: null, [], Place: null, refusal);
        }
    }

    /// <param name="admission">Is used up.</param>
    /// <param name="input">Its path in the request, for errors.</param>
    /// <param name="run">Uses the place.</param>
    /// <exception cref="RpcException">It failed.</exception>
    public async Task<T> RunAsync<T>(
        InputTarget target, InputAdmission admission, CallSettings settings, string input,
        Func<InputAdmission, Task<T>> run)
    {
        while (true)
        {
            try
            {
                var result = await run(admission);
                foreach (var route in admission.Routes)
                    metrics.TaskDone(route.Task, "ok");
                return result;
            }
            catch (Exception exception) when (IsStale(exception) && router.Table != admission.Table)
            {
                // A version or model went between the look at the table and the engine; the new table does not have it.
                admission = Admit(target, settings.Place, settings.IsPaced);
                if (admission.Refusal is { } refusal)
                    throw refusal;
            }
            catch (Exception exception) when (EngineErrors.IsExpected(exception))
            {
                var error = EngineErrors.OfInput(exception, input);
                Count(error, target.Tasks, admission.Table);
                throw error;
            }
        }
    }

    /// <remarks>The place comes before the other tasks' routes, which a refusal does not need.</remarks>
    private static InputAdmission Admit(RoutingTable table, InputTarget target, double place, bool isPaced)
    {
        var tasks = target.Tasks;
        var first = tasks.Count == 0 ? null : TaskRouter.Resolve(table, tasks[0].ToSelector(), place, target.Field(0));
        var host = first?.Host ?? CallChecks.FindEncoder(table, target.Model);
        if (first is not null && target.Model.Length > 0 && host.Name != target.Model)
        {
            throw Errors.InvalidArgument(
                "model",
                $"The task '{first.Task}' runs on the model '{host.Name}', not on '{target.Model}'; leave one out.");
        }

        if (!host.Engine.TryReserve(first?.Task ?? "", isPaced, out var reservation, out var full))
        {
            var refusal = Errors.ResourceExhausted("The queue is full; retry later.", full.RetryAfter);
            return new(table, host, [], Place: null, refusal);
        }

        try
        {
            var routes = new TaskRoute[tasks.Count];
            for (var i = 0; i < routes.Length; i++)
            {
                routes[i] = i == 0
                    ? first!
                    : TaskRouter.Resolve(table, tasks[i].ToSelector(), place, target.Field(i));
            }

            return new(table, host, routes, reservation, Refusal: null);
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

    /// <summary>Whether a version or a model went that the table still had.</summary>
    public static bool IsStale(Exception exception) =>
        exception is NotResidentException or EngineClosedException or ObjectDisposedException;
}
