using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Training.Lstm;

/// <summary>
/// A recurrent network before any training: all parameters uniform about 0, biases among them (Zaremba et al. 2014,
/// sec. 4.1).
/// </summary>
/// <remarks>A parameter's values depend on the seed and its name alone.</remarks>
/// <param name="bound">The largest value.</param>
public sealed class UniformParameters(ulong seed, double bound = UniformParameters.Bound) : IParameterSource
{
    /// <summary>Of their small model.</summary>
    public const double Bound = 0.1;

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        var key = CounterRandom.Key(seed, RandomPurposes.Of(name));
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (float)(
                bound * ((2 * CounterRandom.Uniform(key, (ulong)(((long)firstRow * columns) + i))) - 1));
        }
    }
}
