using Serving.Tensors;

namespace Serving.Training.Pretraining;

/// <summary>Sums of objectives that add up on the device, until all are read at once.</summary>
internal sealed class ObjectiveTotals(TrainingBackend backend) : IDisposable
{
    private const int SumsOfEach = 2;

    private static readonly Objective[] All = Enum.GetValues<Objective>();

    private readonly int[] _counts = new int[All.Length];
    private readonly ScalarBuffer _sums = backend.AllocateScalars(SumsOfEach * All.Length);

    /// <summary>Where losses are added.</summary>
    public Scalar Loss(Objective objective) => _sums[SumsOfEach * (int)objective];

    /// <summary>Where right predictions, or the cosines of right pairs, are added.</summary>
    public Scalar Right(Objective objective) => _sums[(SumsOfEach * (int)objective) + 1];

    /// <summary>Notes predictions whose losses are added.</summary>
    public void Count(Objective objective, int predictions) => _counts[(int)objective] += predictions;

    /// <summary>The sums of all objectives with predictions.</summary>
    public Dictionary<Objective, ObjectiveSums> Read()
    {
        var values = new double[_sums.Count];
        _sums.Read(values);
        return All.Where(objective => _counts[(int)objective] > 0).ToDictionary(
            objective => objective,
            objective => new ObjectiveSums(
                _counts[(int)objective], values[SumsOfEach * (int)objective],
                values[(SumsOfEach * (int)objective) + 1]));
    }

    public void Clear()
    {
        Array.Clear(_counts);
        _sums.Clear();
    }

    public void Dispose() => _sums.Dispose();
}
