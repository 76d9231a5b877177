using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Training.Pruning;

/// <summary>A backbone whose matrices have their own weights in another order: each keeps its distribution.</summary>
/// <param name="tensors">The matrices that are shuffled.</param>
public sealed class ShuffledWeights(
    IParameterSource weights, IEnumerable<(string Name, int Rows, int Columns)> tensors, ulong seed) : IParameterSource
{
    private readonly HashSet<string> _shuffled = new(tensors.Select(tensor => tensor.Name), StringComparer.Ordinal);

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (!_shuffled.Contains(name))
        {
            weights.Read(name, rows, columns, firstRow, values);
            return;
        }

        var all = new float[checked(rows * columns)];
        weights.Read(name, rows, columns, 0, all);
        var order = CounterRandom.Permutation(all.Length, CounterRandom.Key(seed, RandomPurposes.Of(name)));
        for (var i = 0; i < values.Length; i++)
            values[i] = all[order[(firstRow * columns) + i]];
    }
}
