using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Server.Configuration;

namespace Serving.Server.Lifetime;

/// <summary>
/// Loads models and tasks once the server listens, watches their folders if asked, and gives load balancers time to
/// look away before the server closes its connections.
/// </summary>
internal sealed class CatalogLifetime(
    TaskCatalog catalog,
    ModelDevices devices,
    Readiness readiness,
    ServerOptions options,
    TimeProvider time,
    IHostApplicationLifetime lifetime,
    ILogger<CatalogLifetime> logger) : BackgroundService, IHostedLifecycleService
{
    /// <summary>Why the start failed; null if it did not.</summary>
    public Exception? Failure { get; private set; }

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        readiness.Starting();
        catalog.Watch(readiness.Note);
        foreach (var device in devices.All)
        {
            readiness.DeviceFound(device.Name);
            device.Lanes.WatchLoss(reason =>
            {
                logger.LogCritical(
                    "The device {Device} is gone: {Reason} Nothing is served any more; start the server again",
                    device.Name, reason);
                readiness.DeviceLost(device.Name);
            });
        }

        lifetime.ApplicationStopping.Register(readiness.Stopping);
        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        readiness.Stopping();
        return options.DrainDelay == TimeSpan.Zero
            ? Task.CompletedTask
            : Task.Delay(options.DrainDelay, time, cancellationToken);
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await catalog.StartAsync(stoppingToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            Failure = exception;
            lifetime.StopApplication();
            return;
        }

        await RehearseRefusalAsync();
        readiness.Ready();
        var table = catalog.Table;
        var root = Path.GetFullPath(options.Data);
        if (table.Models.IsEmpty)
            logger.LogWarning(
                "No model is loaded; put a model's folder into {Models} and load it", Path.Combine(root, "models"));
        logger.LogInformation(
            "Ready: models {Models}; {Tasks} tasks; data root {Root}",
            string.Join(", ", table.Models.Keys.DefaultIfEmpty("none")),
            table.Tasks.Count,
            root);
        if (options.WatchInterval > TimeSpan.Zero)
            await WatchAsync(stoppingToken);
    }

    /// <summary>
    /// Throws once before anyone waits, since the first exception of a process takes tens of milliseconds.
    /// </summary>
    private static async Task RehearseRefusalAsync()
    {
        try
        {
            await Task.FromException(Errors.ResourceExhausted("The queue is full; retry later.", TimeSpan.Zero));
        }
        catch (RpcException)
        {
        }
    }

    private async Task WatchAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(options.WatchInterval, time);
        while (await timer.WaitForNextTickAsync(stopping))
        {
            try
            {
                await catalog.RescanAsync();
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                logger.LogError(exception, "The folders can't be read; the next look is another try");
            }
        }
    }
}
