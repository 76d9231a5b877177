using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Training.Pruning;

/// <summary>An order of weights: the smaller a weight's key, the sooner it is pruned.</summary>
/// <param name="keys">[rows * columns], written; 31 bits each.</param>
public delegate void WeightOrder(string name, int rows, int columns, Span<uint> keys);

/// <summary>The orders in which weights are pruned.</summary>
public static class WeightOrders
{
    /// <summary>The largest key.</summary>
    internal const uint Most = int.MaxValue;

    /// <summary>The smallest magnitude first. A float32 without its sign orders as its bits do.</summary>
    public static WeightOrder SmallestFirst(IParameterSource weights) => (name, rows, columns, keys) =>
    {
        var values = new float[keys.Length];
        weights.Read(name, rows, columns, 0, values);
        for (var i = 0; i < values.Length; i++)
            keys[i] = BitConverter.SingleToUInt32Bits(values[i]) & Most;
    };

    /// <summary>The largest magnitude first.</summary>
    public static WeightOrder LargestFirst(IParameterSource weights)
    {
        var smallest = SmallestFirst(weights);
        return (name, rows, columns, keys) =>
        {
            smallest(name, rows, columns, keys);
            for (var i = 0; i < keys.Length; i++)
                keys[i] = Most - keys[i];
        };
    }

    /// <summary>A random order.</summary>
    public static WeightOrder Random(ulong seed) => (name, _, _, keys) =>
    {
        var key = CounterRandom.Key(seed, RandomPurposes.Of(name));
        for (var i = 0; i < keys.Length; i++)
            keys[i] = (uint)(CounterRandom.Bits(key, (ulong)i) >> 33);
    };
}
