using Serving.Tensors;

namespace Serving.Models.Parameters;

/// <summary>A packed weight and its bias.</summary>
internal readonly record struct Dense(PackedWeight Weight, Tensor Bias);
