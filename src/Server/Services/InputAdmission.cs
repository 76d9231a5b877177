using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Inference.Scheduling;

namespace Serving.Server.Services;

/// <summary>Where an input runs, with its place in the queue, or why it is turned away.</summary>
/// <param name="Table">What it was routed by.</param>
/// <param name="Host">Of the first task, or the model that was named; null if it is turned away.</param>
/// <param name="Routes">One for each task, in the request's order; empty if it is turned away.</param>
/// <param name="Place">In the queue of the host's engine; whoever does not run the input disposes it.</param>
/// <param name="Refusal">Null if it has a place.</param>
internal readonly record struct InputAdmission(
    RoutingTable Table, EncoderHost? Host, TaskRoute[] Routes, Reservation? Place, RpcException? Refusal) : IDisposable
{
    public void Dispose() => Place?.Dispose();
}
