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
    /// <param name="device">What to run on: the backend or one of its lanes.</param>
    public void Run(TensorBackend device)
    {
        try
        {
            _runner.Run(Units, device);
        }
        catch (Exception) when (Units.Count > 1)
        {
            foreach (var unit in Units)
            {
                _single.Clear();
                _single.Add(unit);
                RunSingle(unit, device);
            }
        }
        catch (Exception exception)
        {
            Units[0].Request.Fail(exception);
        }
    }

    public void Dispose() => _runner.Dispose();

    private void RunSingle(WorkUnit unit, TensorBackend device)
    {
        try
        {
            _runner.Run(_single, device);
        }
        catch (Exception exception)
        {
            unit.Request.Fail(exception);
        }
    }
}
