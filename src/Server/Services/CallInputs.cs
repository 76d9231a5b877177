using Grpc.Core;

namespace Serving.Server.Services;

/// <summary>
/// Runs all inputs of a call whose first has a place; the first that fails fails the call and gives the others up.
/// </summary>
internal static class CallInputs
{
    /// <remarks>
    /// A call is turned away by its first input. Once that is in, the others wait for room that earlier ones leave, so
    /// that a call larger than the queue runs through it in parts.
    /// </remarks>
    /// <param name="count">At least 1.</param>
    /// <param name="start">Runs an input: the first with its place, others with one that they ask for.</param>
    /// <param name="cancelled">Of the call.</param>
    public static async Task<T[]> RunAllAsync<T>(
        int count, Func<int, CancellationToken, Task<T>> start, CancellationToken cancelled)
    {
        if (count == 1)
            return [await start(0, cancelled)];
        using var abandon = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
        var running = new List<Task<T>>(count);
        try
        {
            for (var i = 0; i < count; i++)
            {
                // Found before asking for a place: if it ends in between, there is room, though nothing is left to wait
                // for.
                var earlier = running.Find(IsUnderWay);
                var task = start(i, abandon.Token);
                while (IsTurnedAway(task) && earlier is not null)
                {
                    await earlier;
                    earlier = running.Find(IsUnderWay);
                    task = start(i, abandon.Token);
                }

                running.Add(task);
                if (task.IsFaulted)
                    break;
            }

            await foreach (var done in Task.WhenEach(running))
                await done;
            return [.. running.Select(task => task.Result)];
        }
        catch
        {
            // Until each has seen it: a source that is disposed of before tells the rest nothing.
            await abandon.CancelAsync();
            await Task.WhenAll(running.Select(task => (Task)task)).ConfigureAwait(
                ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
    }

    private static bool IsUnderWay(Task task) => !task.IsCompleted;

    private static bool IsTurnedAway(Task task) =>
        task.Exception?.InnerException is RpcException { StatusCode: StatusCode.ResourceExhausted };
}
