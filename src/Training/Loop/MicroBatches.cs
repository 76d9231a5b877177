namespace Serving.Training.Loop;

/// <summary>Parts of a step that run one after another, adding up gradients, which limits a step's memory.</summary>
internal static class MicroBatches
{
    private const int MaxTokens = 8192;

    /// <summary>Cuts items, in their order, into parts of up to so many tokens, or of one item.</summary>
    public static IEnumerable<List<T>> Split<T>(IEnumerable<T> items, Func<T, int> tokensOf)
    {
        var part = new List<T>();
        var tokens = 0;
        foreach (var item in items)
        {
            if (part.Count > 0 && tokens + tokensOf(item) > MaxTokens)
            {
                yield return part;
                part = [];
                tokens = 0;
            }

            part.Add(item);
            tokens += tokensOf(item);
        }

        if (part.Count > 0)
            yield return part;
    }
}
