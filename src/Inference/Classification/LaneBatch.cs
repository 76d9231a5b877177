using Serving.Models.Bert;
using Serving.Tensors;

namespace Serving.Inference.Classification;

/// <summary>The batch of one lane.</summary>
internal sealed class LaneBatch(TensorBackend whole, BertEncoder encoder, EngineOptions options) : IDisposable
{
    private readonly BatchRunner _runner = new(whole, encoder, options);
    private readonly List<WorkUnit> _single = [];

    public List<WorkUnit> Units { get; } = [];

    /// <summary>Bytes of its intermediate results on the device.</summary>
    public long Bytes => _runner.Bytes;

    /// <summary>Runs the units. If that fails, they run one by one, so that a bad row fails alone.</summary>
    /// <remarks>
    /// Without a device, or memory on it, all fail. What the device keeps for speed is given up then, so that the next
    /// batch finds room.
    /// </remarks>
    /// <param name="device">What to run on: the backend or one of its lanes.</param>
    /// <returns>That the device is gone; null if it is not.</returns>
    public DeviceLostException? Run(TensorBackend device)
    {
        if (TryRun(Units, device) is not { } failure)
            return null;
        if (failure is DeviceMemoryException)
            whole.Trim();
        if (Units.Count == 1 || failure is DeviceMemoryException or DeviceLostException)
        {
            foreach (var unit in Units)
                unit.Request.Fail(failure);
            return failure as DeviceLostException;
        }

        foreach (var unit in Units)
        {
            _single.Clear();
            _single.Add(unit);
            if (TryRun(_single, device) is { } own)
                unit.Request.Fail(own);
        }

        return null;
    }

    public void Dispose() => _runner.Dispose();

    /// <returns>Why it failed; null if it did not.</returns>
    private Exception? TryRun(List<WorkUnit> units, TensorBackend device)
    {
        try
        {
            _runner.Run(units, device);
            return null;
        }
        catch (Exception exception)
        {
            return whole.Explain(exception);
        }
    }
}
