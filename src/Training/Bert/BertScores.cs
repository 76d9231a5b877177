using Serving.Models;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;

namespace Serving.Training.Bert;

/// <summary>Real-valued scores of a backbone's weights, for making masks (Zhao et al. 2020, sec. 3.2).</summary>
/// <remarks>
/// A weight is kept while its score is above the threshold; the gradient of a score is that of the masked weight, times
/// the weight, as if there were no threshold. The backbone never changes.
/// </remarks>
public sealed class BertScores : IDisposable
{
    private const float AlwaysKept = 1e30f; // Finite, since 0 x infinity is none.

    private readonly Dictionary<Parameter, Parameter> _scores = [];
    private readonly List<(string Name, Parameter Scores, int FirstRow, int Rows)> _masked = [];
    private readonly MaskSettings _settings;

    private BertScores(MaskSettings settings) => _settings = settings;

    /// <summary>The scores, to be trained.</summary>
    public IEnumerable<Parameter> Parameters => _scores.Values;

    /// <summary>Names and shapes of the masked matrices, as in <see cref="BertTensors"/>.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Masked =>
        _masked.Select(entry => (entry.Name, entry.Rows, entry.Scores.Value.Columns));

    /// <summary>Makes scores for a model's matrices.</summary>
    /// <exception cref="ArgumentException">A setting is out of range, or nothing is masked.</exception>
    public static BertScores Create(TrainingBackend backend, BertModel model, MaskSettings settings, ulong seed)
    {
        settings.Validate(model.Config);
        var scores = new BertScores(settings);
        foreach (var (name, rows, columns) in settings.Masked(model.Config))
        {
            var (weight, firstRow, _) = model.Find(name);
            if (!scores._scores.TryGetValue(weight, out var parameter))
            {
                parameter = new(
                    $"scores of {weight.Name}", backend.Allocate(weight.Value.Rows, columns), decays: false);
                backend.Fill(parameter.Value, AlwaysKept);
                parameter.Train(backend);
                scores._scores.Add(weight, parameter);
            }

            scores._masked.Add((name, parameter, firstRow, rows));
            parameter.Value.Slice(firstRow, rows).CopyFrom(
                Initial(
                    settings, weight.Value.Slice(firstRow, rows),
                    CounterRandom.Key(seed, InitialBertWeights.Purpose(name))));
        }

        return scores;
    }

    /// <summary>The bits of a masked matrix, see <see cref="BitMask"/>.</summary>
    public byte[] Bits(string name)
    {
        var values = ScoresOf(name).ToArray();
        var bits = new byte[PackedMask.ByteCount(values.Length)];
        for (var i = 0; i < values.Length; i++)
        {
            if (values[i] > _settings.Threshold)
                bits[i / 8] |= (byte)(1 << (i % 8));
        }

        return bits;
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

    /// <summary>A weight through its mask; null if it has none.</summary>
    internal Weight? Of(Parameter weight) => _scores.TryGetValue(weight, out var scores)
        ? new Weight(weight.Value, weight.Gradient, scores.Value, _settings.Threshold, scores.Gradient)
        : null;

    private (string Name, Parameter Scores, int FirstRow, int Rows) Find(string name) =>
        _masked.Find(entry => entry.Name == name);

    private static float[] Initial(MaskSettings settings, Tensor weight, ulong key)
    {
        var values = new float[weight.Rows * weight.Columns];
        if (settings.Initialization == ScoreInitialization.Uniform)
        {
            // P(score at or below the threshold) = (threshold + scale) / (width) = the sparsity asked for.
            var lowest = settings.InitialSparsity > 0 ? -settings.Scale : settings.Threshold + settings.Scale;
            var width = settings.InitialSparsity > 0
                ? (settings.Scale + settings.Threshold) / settings.InitialSparsity
                : settings.Scale;
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)(lowest + (width * CounterRandom.Uniform(key, (ulong)i)));
            return values;
        }

        values.AsSpan().Fill(2 * settings.Threshold);
        var weights = weight.ToArray();
        int[] order = [.. Enumerable.Range(0, weights.Length).OrderBy(i => Math.Abs(weights[i])).ThenBy(i => i)];
        foreach (var i in order[..(int)Math.Round(settings.InitialSparsity * weights.Length)])
            values[i] = 0f;
        return values;
    }
}
