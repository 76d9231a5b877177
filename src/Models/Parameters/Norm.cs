using Serving.Tensors;

namespace Serving.Models.Parameters;

/// <summary>A layer normalization's parameters.</summary>
internal readonly record struct Norm(Tensor Gamma, Tensor Beta);
