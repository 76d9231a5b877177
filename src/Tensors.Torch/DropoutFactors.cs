using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>What <see cref="Dropout"/> multiplies by, computed on the device with whole numbers of 64 bits.</summary>
/// <remarks>Products of such numbers wrap around, and shifts keep the sign, whose copies are masked out.</remarks>
internal static class DropoutFactors
{
    private const int ElementsPerNumber = 4;
    private const int BitsPerElement = 16;
    private const int ElementsPerGroup = 16;
    private const int KeysPerBlock = 32;

    /// <summary>Of a matrix: [rows, columns].</summary>
    public static torch.Tensor OfMatrix(TorchContext context, Dropout dropout, int rows, int columns)
    {
        var keys = context.Upload([unchecked((long)dropout.Key)]);
        return Of(context, dropout, keys, rows, columns, columns).select(0, 0);
    }

    /// <summary>Of the weights of heads: [heads, queries, keys].</summary>
    /// <param name="heads">Numbers of the heads, as <see cref="Dropout.OfHead"/> takes them.</param>
    public static torch.Tensor OfHeads(
        TorchContext context, Dropout dropout, ReadOnlySpan<int> heads, int queries, int keys)
    {
        var keysOfHeads = new long[heads.Length];
        for (var i = 0; i < heads.Length; i++)
            keysOfHeads[i] = unchecked((long)dropout.OfHead(heads[i]).Key);
        var columns = (keys + KeysPerBlock - 1) / KeysPerBlock * KeysPerBlock;
        return Of(context, dropout, context.Upload(keysOfHeads), queries, keys, columns);
    }

    /// <param name="keys">A key for each matrix.</param>
    /// <param name="columns">How many columns are needed.</param>
    /// <param name="wide">How many columns the matrix has.</param>
    private static torch.Tensor Of(
        TorchContext context, Dropout dropout, torch.Tensor keys, int rows, int columns, int wide)
    {
        var groups = (wide + ElementsPerGroup - 1) / ElementsPerGroup;
        var numbers = (long)groups * ElementsPerGroup / ElementsPerNumber;
        using var first = 0L.ToScalar();
        using var end = (rows * numbers).ToScalar();
        using var threshold = ((long)dropout.Threshold).ToScalar();
        using var scale = dropout.Scale.ToScalar();
        var counters = torch.arange(first, end, torch.ScalarType.Int64, context.Device);
        var bits = Mix(context, keys.view(-1, 1), counters).view(keys.NumberOfElements, rows, numbers, 1);
        var shifts = context.Upload([0L, BitsPerElement, 2 * BitsPerElement, 3 * BitsPerElement]);
        var values = bits.bitwise_right_shift(shifts).bitwise_and_(Number(context, ushort.MaxValue));
        return values.ge(threshold).view(keys.NumberOfElements, rows, -1).narrow(2, 0, columns)
            .to(torch.ScalarType.Float32).mul_(scale);
    }

    /// <summary><see cref="CounterRandom.Bits"/> of each key and counter: [keys, counters].</summary>
    private static torch.Tensor Mix(TorchContext context, torch.Tensor keys, torch.Tensor counters)
    {
        var z = keys.add(counters.add(context.One).mul_(Number(context, 0x9E3779B97F4A7C15)));
        z = XorShifted(context, z, 30).mul_(Number(context, 0xBF58476D1CE4E5B9));
        z = XorShifted(context, z, 27).mul_(Number(context, 0x94D049BB133111EB));
        return XorShifted(context, z, 31);
    }

    /// <summary>z ^ (z >> bits), where the shift fills with zeros.</summary>
    private static torch.Tensor XorShifted(TorchContext context, torch.Tensor z, int bits)
    {
        var shifted = z.bitwise_right_shift(Number(context, (ulong)bits));
        return shifted.bitwise_and_(Number(context, ulong.MaxValue >> bits)).bitwise_xor_(z);
    }

    private static torch.Tensor Number(TorchContext context, ulong value) =>
        context.Upload([unchecked((long)value)]);
}
