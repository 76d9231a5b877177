using Serving.Models.Bert;
using Serving.Models.Parameters;

namespace Serving.Bench;

/// <summary>Weights as an untrained BERT has them.</summary>
internal sealed class RandomBertWeights : IParameterSource
{
    // One stretch of values for all parameters: drawing 110 million takes longer than most measurements.
    private readonly float[] _values = RandomTensors.NormalValues(1 << 20, seed: 1);

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (name.Contains("LayerNorm.weight", StringComparison.Ordinal))
        {
            values.Fill(1f);
            return;
        }

        var at = (name.Length * 7919) + firstRow;
        for (var i = 0; i < values.Length; i++)
            values[i] = _values[(at + i) % _values.Length];
    }
}

/// <summary>Random masks of all layers and the pooler.</summary>
internal sealed class RandomMasks(int seed, int firstLayer = 0) : IMaskSource
{
    private readonly Dictionary<string, byte[]> _bits = new(StringComparer.Ordinal);

    public void Prepare(BertConfig config)
    {
        foreach (var (name, rows, columns) in BertTensors.Maskable(config).Where(tensor => HasMask(tensor.Name)))
            _bits[name] = RandomTensors.Bits((long)rows * columns, seed + _bits.Count);
    }

    public bool HasMask(string name)
    {
        const string prefix = "encoder.layer.";
        return !name.StartsWith(prefix, StringComparison.Ordinal)
            || int.Parse(name.AsSpan(prefix.Length, name.IndexOf('.', prefix.Length) - prefix.Length)) >= firstLayer;
    }

    public ReadOnlySpan<byte> ReadMask(string name) => _bits[name];
}
