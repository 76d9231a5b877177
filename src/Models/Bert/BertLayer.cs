using Serving.Tensors;

namespace Serving.Models.Bert;

/// <summary>A packed weight and its bias.</summary>
internal readonly record struct Dense(PackedWeight Weight, Tensor Bias);

/// <summary>A layer normalization's parameters.</summary>
internal readonly record struct Norm(Tensor Gamma, Tensor Beta);

/// <summary>The parameters of an encoder layer, stacked as <see cref="BertStacks"/> says.</summary>
internal sealed record BertLayer(IReadOnlyList<Dense> Stacks, Norm AttentionNorm, Norm OutputNorm);
