using Serving.Jobs;

namespace Serving.Server.Lifetime;

/// <summary>Runs jobs from the moment at which the server is ready until it stops.</summary>
internal sealed class JobsLifetime(JobRunner runner, Readiness readiness) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await runner.RunAsync(readiness.WhenReadyAsync(stoppingToken), stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // A start that fails stops what has started; the host takes this for a failure of its own.
        }
    }
}
