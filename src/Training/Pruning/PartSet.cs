using Serving.Models.Bert;
using Serving.Tensors;
using Purpose = Serving.Training.RandomPurposes.Parts;

namespace Serving.Training.Pruning;

/// <summary>Which heads and feed-forward layers a subnetwork keeps.</summary>
public sealed class PartSet
{
    private readonly bool[][] _heads;
    private readonly bool[] _feedForward;

    private PartSet(bool[][] heads, bool[] feedForward) => (_heads, _feedForward) = (heads, feedForward);

    public int Heads => _heads.Sum(layer => layer.Count(isKept => isKept));

    public int FeedForward => _feedForward.Count(isKept => isKept);

    private List<(int Layer, int Head)> KeptHeads =>
    [
        .. _heads.SelectMany((layer, i) => Enumerable.Range(0, layer.Length)
            .Where(head => layer[head]).Select(head => (i, head)))
    ];

    private List<int> KeptLayers => [.. Enumerable.Range(0, _feedForward.Length).Where(layer => _feedForward[layer])];

    /// <summary>All but what is left out.</summary>
    /// <param name="pruned">Null for nothing.</param>
    public static PartSet Of(BertConfig config, PrunedParts? pruned) => new(
        [.. Enumerable.Range(0, config.Layers).Select(layer => Enumerable.Range(0, config.Heads)
            .Select(head => !(pruned?.Heads[layer].Contains(head) ?? false)).ToArray())],
        [.. Enumerable.Range(0, config.Layers).Select(layer => !(pruned?.FeedForward.Contains(layer) ?? false))]);

    /// <summary>Drops the least important of those that are kept; of equal ones the first.</summary>
    /// <param name="heads">How many, or all that are left.</param>
    public PartSet Prune(PartImportance importance, int heads, int feedForward)
    {
        var lowestHeads = KeptHeads
            .OrderBy(unit => importance.Heads[unit.Layer][unit.Head]).Take(heads).ToHashSet();
        var lowestLayers = KeptLayers
            .OrderBy(layer => importance.FeedForward[layer]).Take(feedForward).ToHashSet();
        return Where(
            (layer, head) => _heads[layer][head] && !lowestHeads.Contains((layer, head)),
            layer => _feedForward[layer] && !lowestLayers.Contains(layer));
    }

    /// <summary>As many parts, by chance.</summary>
    /// <param name="source">What this was pruned from; the parts are of those that it keeps.</param>
    public PartSet Random(ulong seed, PartSet source)
    {
        var heads = Shuffled(source.KeptHeads, CounterRandom.Key(seed, Purpose.Heads)).Take(Heads).ToHashSet();
        var layers = Shuffled(source.KeptLayers, CounterRandom.Key(seed, Purpose.FeedForward)).Take(FeedForward)
            .ToHashSet();
        return Where((layer, head) => heads.Contains((layer, head)), layers.Contains);
    }

    /// <summary>
    /// As many parts of those that this one leaves out; where they are too few, with others of its own, by chance
    /// (Prasanna et al. 2020, sec. 4).
    /// </summary>
    /// <param name="source">What this was pruned from; the parts are of those that it keeps.</param>
    public PartSet Bad(ulong seed, PartSet source)
    {
        var heads = Prefer(
            [.. source.KeptHeads.Except(KeptHeads)], KeptHeads, Heads,
            CounterRandom.Key(seed, Purpose.Heads)).ToHashSet();
        var layers = Prefer(
            [.. source.KeptLayers.Except(KeptLayers)], KeptLayers, FeedForward,
            CounterRandom.Key(seed, Purpose.FeedForward)).ToHashSet();
        return Where((layer, head) => heads.Contains((layer, head)), layers.Contains);
    }

    /// <summary>What is left out.</summary>
    public PrunedParts ToPruned() => new(
        [.. _heads.Select(layer => (IReadOnlyList<int>)
            [.. Enumerable.Range(0, layer.Length).Where(head => !layer[head])])],
        [.. Enumerable.Range(0, _feedForward.Length).Where(layer => !_feedForward[layer])]);

    private PartSet Where(Func<int, int, bool> keepsHead, Func<int, bool> keepsFeedForward) => new(
        [.. _heads.Select((layer, i) => layer.Select((_, head) => keepsHead(i, head)).ToArray())],
        [.. _feedForward.Select((_, layer) => keepsFeedForward(layer))]);

    private static IEnumerable<T> Prefer<T>(List<T> first, List<T> then, int count, ulong key) =>
        Shuffled(first, key).Concat(Shuffled(then, CounterRandom.Bits(key, 1))).Take(count);

    private static IEnumerable<T> Shuffled<T>(List<T> items, ulong key) =>
        CounterRandom.Permutation(items.Count, key).Select(i => items[i]);
}
