using Grpc.Core;
using Grpc.Health.V1;
using Microsoft.Extensions.Hosting;

namespace Serving.Rpc.Services.Health;

/// <summary>grpc.health.v1.Health over <see cref="HealthStatuses"/>.</summary>
public sealed class HealthService(HealthStatuses statuses, IHostApplicationLifetime lifetime)
    : Grpc.Health.V1.Health.HealthBase
{
    /// <summary>More are not listed, so that no answer outgrows a client's message limit.</summary>
    private const int MaxListed = 10_000;

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) =>
        statuses.Find(request.Service) is { } status
            ? Task.FromResult(new HealthCheckResponse { Status = status })
            : throw new RpcException(new Status(
                StatusCode.NotFound,
                $"Health of '{request.Service}' is not known here; List names what is, \"\" is the server as a whole."));

    public override Task<HealthListResponse> List(HealthListRequest request, ServerCallContext context)
    {
        var snapshot = statuses.Snapshot();
        if (snapshot.Count > MaxListed)
        {
            throw new RpcException(new Status(
                StatusCode.ResourceExhausted,
                $"There are {snapshot.Count} entries, more than the {MaxListed} that List returns; use Check."));
        }

        var response = new HealthListResponse();
        foreach (var (name, status) in snapshot)
        {
            response.Statuses[name] = new HealthCheckResponse { Status = status };
        }

        return Task.FromResult(response);
    }

    public override async Task Watch(
        HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        // A watch ends when the client leaves or the server stops; otherwise it would hold up a graceful shutdown.
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(
            context.CancellationToken, lifetime.ApplicationStopping);
        using var watcher = statuses.Watch(request.Service);
        try
        {
            await foreach (var status in watcher.ReadAllAsync(ends.Token))
            {
                await responseStream.WriteAsync(new HealthCheckResponse { Status = status });
            }
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "The server is shutting down; watch another one."));
        }
    }
}
