using Serving.Models.Bert;
using Serving.Models.Gpt2;
using Serving.Models.Parameters;
using Serving.Tensors;

namespace Serving.Training.Gpt2;

/// <summary>
/// GPT-2 before any training (Radford et al. 2019, sec. 2.3): weights from a normal distribution, those that end a
/// residual branch divided by the root of how many such branches there are; biases 0, norms 1 and 0.
/// </summary>
/// <remarks>A parameter's values depend on the seed and its name alone.</remarks>
public sealed class Gpt2InitialParameters(ulong seed, Gpt2Config config) : IParameterSource
{
    /// <summary>The standard deviation of weights (Radford et al. 2018, sec. 4.1).</summary>
    public const double Deviation = 0.02;

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (name.EndsWith(".bias", StringComparison.Ordinal))
        {
            values.Clear();
            return;
        }

        if (name.Contains("ln_", StringComparison.Ordinal))
        {
            values.Fill(1f);
            return;
        }

        var endsBranch = name.EndsWith(".c_proj.weight", StringComparison.Ordinal);
        var deviation = endsBranch ? Deviation / Math.Sqrt(2 * config.Layers) : Deviation;
        var key = CounterRandom.Key(seed, RandomPurposes.Of(name));
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(deviation * CounterRandom.Normal(key, (ulong)(((long)firstRow * columns) + i)));
    }
}
