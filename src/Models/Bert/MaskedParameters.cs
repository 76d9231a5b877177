using Serving.Models.Parameters;

namespace Serving.Models.Bert;

/// <summary>The network that masks leave of a backbone: weights that they drop read as zero.</summary>
public sealed class MaskedParameters(IParameterSource weights, IMaskSource masks) : IParameterSource
{
    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        weights.Read(name, rows, columns, firstRow, values);
        if (!masks.HasMask(name))
            return;
        var bits = masks.ReadMask(name);
        var first = (long)firstRow * columns;
        for (var i = 0; i < values.Length; i++)
        {
            if (!BitMask.Keeps(bits, first + i))
                values[i] = 0f;
        }
    }
}
