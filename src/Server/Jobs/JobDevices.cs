using Serving.Backends;
using Serving.Catalog.Resident;
using Serving.Inference.Scheduling;
using Serving.Jobs;
using Serving.Jobs.Records;
using Serving.Models.Kinds;
using Serving.Server.Configuration;

namespace Serving.Server.Jobs;

/// <summary>On which device a job runs, the one that it asks for or the server's, and what it needs there.</summary>
internal sealed class JobDevices(ServerOptions options, MemoryBudgets memory)
{
    private const string Field = "spec.device";
    private const int Copies = 6; // Weights, scores, their gradients, two moments of Adam, masked weights.
    private const int ValuesOfHidden = 20; // Activations of a token in a layer that gradients need, over hidden.
    private const int MostTokens = 8192; // Of a part of a step.

    /// <summary>Writes the device into a specification that leaves it out.</summary>
    /// <exception cref="Grpc.Core.RpcException">
    /// INVALID_ARGUMENT: no device is named so. FAILED_PRECONDITION: this build lacks it.
    /// </exception>
    public void Place(V1.JobSpec spec)
    {
        if (spec.Device.Length == 0)
            spec.Device = options.Device;
        if (!BackendFactory.IsName(spec.Device))
        {
            throw Errors.InvalidArgument(
                Field, $"There is no device '{spec.Device}'; there is {BackendFactory.Help}.");
        }

        if (BackendFactory.WhyNotInBuild(spec.Device) is { } reason)
            throw Errors.FailedPrecondition(Field, reason);
        if (spec.DeviceMemoryBytes < 0 || (spec.DeviceMemoryBytes > 0 && spec.Device == BackendFactory.Default))
        {
            throw Errors.InvalidArgument(
                "spec.device_memory_bytes",
                $"{spec.DeviceMemoryBytes} is no need of {spec.Device}; leave it out, or give a number above 0 for "
                + "another device than cpu.");
        }
    }

    /// <summary>Writes what the job needs into a specification that leaves it out.</summary>
    /// <exception cref="Grpc.Core.RpcException">FAILED_PRECONDITION: it is more than may be used.</exception>
    public void Estimate(V1.JobSpec spec, RecipeInputs inputs)
    {
        if (spec.Device != BackendFactory.Default && spec.DeviceMemoryBytes == 0)
            spec.DeviceMemoryBytes = inputs.Models.Values.Select(Trained).DefaultIfEmpty(0).Max();
        var placement = new Placement { Device = spec.Device, DeviceMemoryBytes = spec.DeviceMemoryBytes };
        if (JobSlots.WhyNever(placement, memory.Of(spec.Device)) is { } reason)
            throw Errors.FailedPrecondition(Field, reason);
    }

    /// <summary>About what training a model takes at most, in bytes.</summary>
    private static long Trained(string folder)
    {
        var shape = ModelKinds.Open(folder).ReadShape();
        var activations = (long)MostTokens * shape.Layers * ValuesOfHidden * shape.Hidden;
        return sizeof(float) * ((Copies * ModelNeed.Parameters(shape)) + activations);
    }
}
