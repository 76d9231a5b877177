namespace Serving.Models.Bert;

/// <summary>
/// Attention heads and feed-forward layers that a task leaves out of its backbone (Prasanna et al. 2020, sec. 3).
/// </summary>
/// <remarks>
/// A head that is left out adds nothing to the output of its layer's attention; of a layer without any head that is the
/// bias. Of a feed-forward layer that is left out the norm remains, over what came in.
/// </remarks>
/// <param name="Heads">For each layer the heads that are left out, from 0, ascending.</param>
/// <param name="FeedForward">The layers whose feed-forward layer is left out, from 0, ascending.</param>
public sealed record PrunedParts(IReadOnlyList<IReadOnlyList<int>> Heads, IReadOnlyList<int> FeedForward)
{
    /// <summary>How many heads are left out.</summary>
    public int HeadCount() => Heads.Sum(layer => layer.Count);

    /// <summary>What is wrong with them for a backbone; null if nothing is.</summary>
    public string? Problem(BertConfig config)
    {
        if (Heads.Count != config.Layers)
            return $"they are of {Heads.Count} layers, the backbone has {config.Layers}";
        foreach (var (layer, heads) in Heads.Index())
        {
            if (!AreAscending(heads, config.Heads))
                return $"of layer {layer} they name the heads {string.Join(", ", heads)}; the backbone has "
                    + $"{config.Heads}, from 0, and each is named once, ascending";
        }

        return AreAscending(FeedForward, config.Layers)
            ? null
            : $"they name the feed-forward layers {string.Join(", ", FeedForward)}; the backbone has {config.Layers}, "
                + "from 0, and each is named once, ascending";
    }

    private static bool AreAscending(IReadOnlyList<int> numbers, int count)
    {
        var before = -1;
        foreach (var number in numbers)
        {
            if (number <= before || number >= count)
                return false;
            before = number;
        }

        return true;
    }
}
