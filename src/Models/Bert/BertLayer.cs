using System.Collections.Concurrent;
using Serving.Models.Parameters;

namespace Serving.Models.Bert;

/// <summary>The parameters of an encoder layer, stacked as <see cref="BertStacks"/> says.</summary>
internal sealed record BertLayer(IReadOnlyList<Dense> Stacks, Norm AttentionNorm, Norm OutputNorm)
{
    private readonly ConcurrentDictionary<(int Stack, ColumnRange Features), Dense> _slices = new();

    /// <summary>Some output features of a stack, over the same memory; kept for those who ask again.</summary>
    public Dense Slice(int stack, ColumnRange features) =>
        _slices.TryGetValue((stack, features), out var slice) ? slice : _slices.GetOrAdd((stack, features), new Dense(
            Stacks[stack].Weight.Slice(features.First, features.Count),
            Stacks[stack].Bias.SliceColumns(features.First, features.Count)));
}
