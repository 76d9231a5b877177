using Serving.Inference.Scheduling;
using Serving.Tensors;

namespace Serving.Catalog.Resident;

/// <summary>A device that models run on: its lanes, and what may be used of its memory. Owns none of them.</summary>
public sealed class ModelDevice
{
    public ModelDevice(string name, LanePool lanes, MemoryBudget memory)
    {
        (Name, Lanes, Memory) = (name, lanes, memory);
        memory.Count(() => lanes.Backend.AllocatedBytes);
    }

    /// <summary>"cuda:1"</summary>
    public string Name { get; }

    public LanePool Lanes { get; }

    public MemoryBudget Memory { get; }

    public TensorBackend Backend => Lanes.Backend;
}
