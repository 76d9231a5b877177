using Serving.Tensors;

namespace Serving.Training.Layers;

/// <summary>Keys of a step's dropouts, one after another.</summary>
/// <param name="key">Of the step: the same one drops the same elements.</param>
/// <param name="hiddenRate">After embeddings and linear layers.</param>
/// <param name="attentionRate">Of attention weights.</param>
public sealed class DropoutKeys(ulong key, float hiddenRate, float attentionRate)
{
    private ulong _next;

    /// <summary>No dropout.</summary>
    public static DropoutKeys Off => new(0, 0, 0);

    public Dropout Hidden() => new(hiddenRate, CounterRandom.Bits(key, _next++));

    public Dropout Attention() => new(attentionRate, CounterRandom.Bits(key, _next++));
}
