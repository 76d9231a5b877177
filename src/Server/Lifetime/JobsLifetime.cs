using Serving.Jobs;

namespace Serving.Server.Lifetime;

/// <summary>Runs jobs from the moment at which the server is ready until it stops.</summary>
internal sealed class JobsLifetime(JobRunner runner, Readiness readiness) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        runner.RunAsync(readiness.WhenReadyAsync(stoppingToken), stoppingToken);
}
