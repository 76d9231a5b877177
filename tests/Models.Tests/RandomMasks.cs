using Serving.Models.Bert;

namespace Serving.Models.Tests;

/// <summary>Random masks of the layers from one on, and of the pooler.</summary>
internal sealed class RandomMasks : IMaskSource
{
    private readonly Dictionary<string, byte[]> _bits = new(StringComparer.Ordinal);

    public RandomMasks(BertConfig config, int seed, int firstLayer = 0)
    {
        var random = new Random(seed);
        foreach (var (name, rows, columns) in BertTensors.Maskable(config))
        {
            var layer = name.Split('.') is ["encoder", "layer", var number, ..] ? int.Parse(number) : int.MaxValue;
            if (layer < firstLayer)
                continue;
            var bits = new byte[BitMask.ByteCount(rows, columns)];
            for (var i = 0; i < rows * columns; i++)
            {
                if (random.NextDouble() < 0.8)
                    bits[i / 8] |= (byte)(1 << (i % 8));
            }

            _bits.Add(name, bits);
        }
    }

    public bool HasMask(string name) => _bits.ContainsKey(name);

    public ReadOnlySpan<byte> ReadMask(string name) => _bits[name];
}
