using Serving.Training.Autograd;

namespace Serving.Training.Layers;

/// <summary>Masks over the weights of linear layers.</summary>
public interface IWeightMasks
{
    /// <summary>A weight through its mask; as it is if it has none.</summary>
    /// <param name="weight">[outFeatures, inFeatures]</param>
    Weight Through(Parameter weight);
}
