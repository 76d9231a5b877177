using Serving.Backends;
using Serving.Catalog.Resident;
using Serving.Inference.Scheduling;
using Serving.Server.Configuration;
using Serving.Tensors;

namespace Serving.Server.Devices;

/// <summary>The devices that models run on: the server's, and those of models with one of their own.</summary>
internal sealed class ServerDevices : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <param name="lanes">Those of the server's device.</param>
    /// <exception cref="DeviceUnavailableException">One of the others can't be used here.</exception>
    public ServerDevices(
        ServerOptions options, LanePool lanes, MemoryBudgets memory, TimeProvider time, EngineLoad load)
    {
        var common = new ModelDevice(options.Device, lanes, memory.Of(options.Device));
        var byName = new Dictionary<string, ModelDevice>(StringComparer.Ordinal)
        {
            [BackendFactory.Canonical(options.Device)] = common
        };
        var own = new Dictionary<string, ModelDevice>(StringComparer.Ordinal);
        try
        {
            foreach (var (model, name) in options.ModelDevices)
            {
                if (!byName.TryGetValue(BackendFactory.Canonical(name), out var device))
                    byName[BackendFactory.Canonical(name)] = device = Open(name, options, memory, time, load);
                own[model] = device;
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        Models = new(common, own);
    }

    public ModelDevices Models { get; }

    public void Dispose()
    {
        foreach (var owned in Enumerable.Reverse(_owned))
            owned.Dispose();
        _owned.Clear();
    }

    private ModelDevice Open(
        string name, ServerOptions options, MemoryBudgets memory, TimeProvider time, EngineLoad load)
    {
        var backend = BackendFactory.Create(name, options.ForDevice());
        _owned.Add(backend);
        var lanes = new LanePool(backend, time, load);
        _owned.Add(lanes);
        return new(name, lanes, memory.Of(name));
    }
}
