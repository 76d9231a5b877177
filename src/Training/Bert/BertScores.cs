using Serving.Models;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Layers;

namespace Serving.Training.Bert;

/// <summary>Masks over a backbone's weights, as real-valued scores (Zhao et al. 2020, sec. 3.2).</summary>
/// <remarks>
/// A weight is kept while its score is above the threshold; the gradient of a score is that of the masked weight, times
/// the weight, as if there were no threshold. Scores are frozen until <see cref="TrainAll"/>; the weights under them
/// may be trained or not.
/// </remarks>
public sealed class BertScores : IWeightMasks, IMaskSource, IDisposable
{
    private const float AlwaysKept = 1e30f; // Finite, since 0 x infinity is none.

    private readonly Dictionary<Parameter, Parameter> _scores = [];
    private readonly List<(string Name, Parameter Scores, int FirstRow, int Rows)> _masked = [];
    private readonly TrainingBackend _backend;
    private readonly float _threshold;

    private BertScores(TrainingBackend backend, float threshold) => (_backend, _threshold) = (backend, threshold);

    /// <summary>The scores.</summary>
    public IEnumerable<Parameter> Parameters => _scores.Values;

    /// <summary>Names and shapes of the masked matrices, as in <see cref="BertTensors"/>.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Masked =>
        _masked.Select(entry => (entry.Name, entry.Rows, entry.Scores.Value.Columns));

    /// <summary>Makes scores for a model's matrices; all are frozen.</summary>
    /// <exception cref="ArgumentException">A setting is out of range, or nothing is masked.</exception>
    public static BertScores Create(TrainingBackend backend, BertModel model, MaskSettings settings, ulong seed)
    {
        settings.Validate(model.Config);
        var scores = new BertScores(backend, settings.Threshold);
        foreach (var (name, rows, columns) in settings.Masked(model.Config))
        {
            scores.Add(model, name, rows, columns, weight =>
                InitialScores.Draw(settings, weight, CounterRandom.Key(seed, RandomPurposes.Of(name))));
        }

        return scores;
    }

    /// <summary>Scores of masks that stay as they are, over a model's matrices.</summary>
    /// <param name="masks">Names of matrices as in <see cref="BertTensors"/>.</param>
    public static BertScores Of(TrainingBackend backend, BertModel model, IMaskSource masks)
    {
        var scores = new BertScores(backend, threshold: 0.5f);
        foreach (var (name, rows, columns) in BertTensors.Maskable(model.Config))
        {
            if (masks.HasMask(name))
                scores.Add(model, name, rows, columns, _ => Scores(masks.ReadMask(name), rows * columns));
        }

        return scores;

        static float[] Scores(ReadOnlySpan<byte> bits, int count)
        {
            var values = new float[count];
            for (var i = 0; i < count; i++)
                values[i] = BitMask.Keeps(bits, i) ? 1 : 0;
            return values;
        }
    }

    /// <summary>Trains every score.</summary>
    public void TrainAll()
    {
        foreach (var parameter in _scores.Values)
            parameter.Train(_backend);
    }

    public bool HasMask(string name) => _masked.Exists(entry => entry.Name == name);

    public ReadOnlySpan<byte> ReadMask(string name) => Bits(name);

    /// <summary>The bits of a masked matrix, see <see cref="BitMask"/>.</summary>
    public byte[] Bits(string name)
    {
        var scores = ScoresOf(name);
        var bits = new byte[PackedMask.ByteCount((long)scores.Rows * scores.Columns)];
        _backend.ReadBits(scores, _threshold, bits);
        return bits;
    }

    /// <summary>The part of all masked weights that is dropped, 0 to 1.</summary>
    public double Sparsity()
    {
        var (kept, count) = (0L, 0L);
        foreach (var (name, rows, columns) in Masked)
        {
            kept += BitMask.PopCount(Bits(name));
            count += (long)rows * columns;
        }

        return 1 - ((double)kept / count);
    }

    /// <summary>The scores of a masked matrix.</summary>
    internal Tensor ScoresOf(string name)
    {
        var (_, scores, firstRow, rows) = Find(name);
        return scores.Value.Slice(firstRow, rows);
    }

    internal Tensor GradientOf(string name)
    {
        var (_, scores, firstRow, rows) = Find(name);
        return scores.Gradient.Slice(firstRow, rows);
    }

    public void Dispose()
    {
        foreach (var parameter in _scores.Values)
            parameter.Dispose();
    }

    public Weight Through(Parameter weight) => _scores.TryGetValue(weight, out var scores)
        ? new(weight.Value, weight.Gradient, scores.Value, _threshold, scores.Gradient)
        : Weight.Of(weight);

    /// <param name="values">Scores [rows, columns] of a weight of that shape.</param>
    private void Add(BertModel model, string name, int rows, int columns, Func<Tensor, float[]> values)
    {
        var (weight, firstRow, _) = model.Find(name);
        if (!_scores.TryGetValue(weight, out var parameter))
        {
            parameter = new(
                $"scores of {weight.Name}", _backend.Allocate(weight.Value.Rows, columns), decays: false);
            _backend.Fill(parameter.Value, AlwaysKept);
            _scores.Add(weight, parameter);
        }

        _masked.Add((name, parameter, firstRow, rows));
        parameter.Value.Slice(firstRow, rows).CopyFrom(values(weight.Value.Slice(firstRow, rows)));
    }

    private (string Name, Parameter Scores, int FirstRow, int Rows) Find(string name) =>
        _masked.Find(entry => entry.Name == name);
}
