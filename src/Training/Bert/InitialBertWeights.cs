using System.Text;
using Serving.Models.Bert;
using Serving.Tensors;

namespace Serving.Training.Bert;

/// <summary>BERT before any training: weights from a normal distribution, biases 0, norms 1 and 0 (Devlin et al. 2019, appendix A.2).</summary>
/// <remarks>A parameter's values depend on the seed and its name alone.</remarks>
/// <param name="deviation">Of the weights.</param>
public sealed class InitialBertWeights(ulong seed, double deviation = InitialBertWeights.Deviation) : IBertWeights
{
    /// <summary>Of Devlin et al. 2019.</summary>
    public const double Deviation = 0.02;

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (name.EndsWith(".bias", StringComparison.Ordinal))
        {
            values.Clear();
            return;
        }

        if (name.Contains("LayerNorm", StringComparison.Ordinal))
        {
            values.Fill(1f);
            return;
        }

        var key = CounterRandom.Key(seed, Purpose(name));
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(deviation * CounterRandom.Normal(key, (ulong)(((long)firstRow * columns) + i)));
    }

    /// <summary>A number for a name (FNV-1a, 64 bits).</summary>
    internal static ulong Purpose(string name)
    {
        var hash = 0xCBF29CE484222325;
        foreach (var value in Encoding.UTF8.GetBytes(name))
            hash = (hash ^ value) * 0x100000001B3;
        return hash;
    }
}
