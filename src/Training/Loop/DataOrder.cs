using Serving.Tensors;
using Purpose = Serving.Training.RandomPurposes.Loop;

namespace Serving.Training.Loop;

/// <summary>Which items each step takes: an epoch goes once through all, in an order of its own.</summary>
/// <param name="items">How many there are: at least one, at least a batch where incomplete ones are dropped.</param>
/// <param name="dropsIncomplete">Whether an epoch ends before a batch that is not full.</param>
internal sealed class DataOrder(int items, int batchSize, bool dropsIncomplete, ulong seed)
{
    private (long Epoch, int[] Items) _order = (-1, []);

    public int StepsPerEpoch { get; } = dropsIncomplete ? items / batchSize : (items + batchSize - 1) / batchSize;

    /// <summary>The items of a step.</summary>
    /// <param name="step">From 1.</param>
    /// <param name="epoch">The step's, from 0.</param>
    public ReadOnlySpan<int> Of(long step, out long epoch)
    {
        (epoch, var inEpoch) = Math.DivRem(step - 1, StepsPerEpoch);
        if (_order.Epoch != epoch)
        {
            var key = CounterRandom.Bits(CounterRandom.Key(seed, Purpose.Order), (ulong)epoch);
            _order = (epoch, CounterRandom.Permutation(items, key));
        }

        var first = (int)inEpoch * batchSize;
        return _order.Items.AsSpan(first, Math.Min(batchSize, items - first));
    }
}
