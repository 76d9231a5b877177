using Serving.Models.Parameters;

namespace Serving.Models.Bert;

/// <summary>The parameters of an encoder layer, stacked as <see cref="BertStacks"/> says.</summary>
internal sealed record BertLayer(IReadOnlyList<Dense> Stacks, Norm AttentionNorm, Norm OutputNorm);
