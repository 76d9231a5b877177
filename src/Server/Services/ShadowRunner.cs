using Serving.Catalog;
using Serving.Inference.Classification;
using Serving.Server.Configuration;
using Serving.Server.Telemetry;

namespace Serving.Server.Services;

/// <summary>
/// Runs shadow versions behind everything else, only while the queue is short; nobody waits for them.
/// </summary>
internal sealed class ShadowRunner(ServerOptions options, ServerMetrics metrics, ILogger<ShadowRunner> logger)
{
    private const int LowestPriority = int.MinValue + 1;

    public void Run(ClassificationRequest request, TaskRoute[] routes, IReadOnlyList<TaskScores> answers)
    {
        for (var i = 0; i < routes.Length; i++)
        {
            if (routes[i].Shadow is { } shadow)
                _ = RunAsync(request, shadow, answers[i]);
        }
    }

    private async Task RunAsync(ClassificationRequest request, TaskRoute route, TaskScores answer)
    {
        var engine = route.Host.Engine;
        if (engine.QueuedRequests > options.MaxQueuedRequests / 2)
        {
            metrics.ShadowDone(route.Task, "dropped");
            return;
        }

        try
        {
            var shadow = await engine.ClassifyAsync(request with
            {
                Tasks = [new(route.Task, route.Version.Version)],
                Priority = LowestPriority,
                Deadline = null,
                IsPaced = false
            });
            metrics.ShadowDone(route.Task, shadow.Scores[0].Label == answer.Label ? "agrees" : "differs");
        }
        catch (Exception exception)
        {
            metrics.ShadowDone(route.Task, "failed");
            logger.LogDebug(exception, "The shadow of {Task} failed", route.Task);
        }
    }
}
