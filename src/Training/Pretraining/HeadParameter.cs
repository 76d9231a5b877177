using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Bert;

namespace Serving.Training.Pretraining;

/// <summary>Parameters of heads that only pretraining uses.</summary>
internal static class HeadParameter
{
    /// <summary>A trained parameter, initialized like the backbone's, see <see cref="InitialBertWeights"/>.</summary>
    /// <param name="name">Ends with ".weight" or ".bias"; of a norm it contains "LayerNorm".</param>
    public static Parameter Create(
        TrainingBackend backend, string name, int rows, int columns, ulong seed, double deviation)
    {
        var isMatrix = name.EndsWith(".weight", StringComparison.Ordinal)
            && !name.Contains("LayerNorm", StringComparison.Ordinal);
        var parameter = new Parameter(name, backend.Allocate(rows, columns), decays: isMatrix);
        var values = new float[rows * columns];
        new InitialBertWeights(seed, deviation: deviation).Read(name, rows, columns, 0, values);
        parameter.Value.CopyFrom(values);
        parameter.Train(backend);
        return parameter;
    }
}
