using Serving.Models.Bert;
using Serving.Tensors;
using Purpose = Serving.Training.RandomPurposes.Parts;

namespace Serving.Training.Pruning;

/// <summary>Chooses heads to prune, always exactly as many as asked for.</summary>
public static class HeadStrategies
{
    /// <summary>Whether a strategy needs importances.</summary>
    public static bool NeedsImportance(this HeadStrategy strategy) =>
        strategy is HeadStrategy.ImportantFirst or HeadStrategy.UnimportantFirst;

    /// <summary>Chooses heads.</summary>
    /// <remarks>
    /// Strategies by layer take whole layers in an order of theirs; of the last one the first heads. Of equal
    /// importances the first head is taken.
    /// </remarks>
    /// <param name="count">How many, 0 to all.</param>
    /// <param name="importance">For strategies that need it.</param>
    /// <returns>No feed-forward layer is left out.</returns>
    public static PrunedParts Choose(
        this HeadStrategy strategy, BertConfig config, int count, ulong seed, PartImportance? importance)
    {
        var all = Enumerable.Range(0, config.Layers)
            .SelectMany(layer => Enumerable.Range(0, config.Heads).Select(head => (Layer: layer, Head: head))).ToList();
        var key = CounterRandom.Key(seed, Purpose.Heads);
        IEnumerable<(int Layer, int Head)> order = strategy switch
        {
            HeadStrategy.Random => CounterRandom.Permutation(all.Count, key).Select(i => all[i]),
            HeadStrategy.ImportantFirst => all.OrderByDescending(unit => importance!.Heads[unit.Layer][unit.Head]),
            HeadStrategy.UnimportantFirst => all.OrderBy(unit => importance!.Heads[unit.Layer][unit.Head]),
            _ => Layers(strategy, config.Layers, (count + config.Heads - 1) / config.Heads, key)
                .SelectMany(layer => Enumerable.Range(0, config.Heads).Select(head => (layer, head)))
        };
        var chosen = order.Take(count).ToHashSet();
        return new(
            [.. Enumerable.Range(0, config.Layers).Select(layer => (IReadOnlyList<int>)
                [.. Enumerable.Range(0, config.Heads).Where(head => chosen.Contains((layer, head)))])],
            []);
    }

    /// <returns>The layers in the order in which their heads are pruned, `needed` of them or more.</returns>
    private static IEnumerable<int> Layers(HeadStrategy strategy, int layers, int needed, ulong key)
    {
        var ascending = Enumerable.Range(0, layers);
        return strategy switch
        {
            HeadStrategy.Top => ascending.Reverse(),
            HeadStrategy.Bottom => ascending,
            HeadStrategy.Middle => ascending.OrderBy(layer => Math.Abs((2 * layer) - (layers - 1))),
            HeadStrategy.Consecutive => ascending
                .Skip((int)(CounterRandom.Uniform(key, 0) * (layers - needed + 1))).Take(needed),
            _ => Enumerable.Range(0, needed).Select(i => (int)((i + 0.5) * layers / needed))
        };
    }
}
