namespace Serving.Tensors;

/// <summary>Which elements are dropped, and how likely (Srivastava et al. 2014); the others are scaled up.</summary>
/// <param name="Rate">0 to below 1; 0 drops nothing. Kept to 1/65536.</param>
/// <param name="Key">Chooses the elements: the same key drops the same ones, on every backend.</param>
public readonly record struct Dropout(float Rate, ulong Key)
{
    private const int ElementsPerGroup = 16;
    private const int ElementsPerNumber = 4; // Of a random number's 64 bits each element takes 16.

    /// <summary>Weights of attention are rows of as many keys as the next multiple of this.</summary>
    private const int KeysPerBlock = 32;

    /// <summary>What the kept elements are multiplied by.</summary>
    public float Scale => 65536f / (65536 - Threshold);

    /// <summary>Of 65536 equally likely numbers, how many drop an element: those below.</summary>
    public int Threshold => (int)MathF.Round(Rate * 65536);

    /// <summary>What an element of a matrix of so many columns is multiplied by: 0, or the scale.</summary>
    /// <remarks>The definition, element by element; backends compute it for many at once.</remarks>
    public float Factor(int row, int column, int columns)
    {
        const int numbersPerGroup = ElementsPerGroup / ElementsPerNumber;
        var groups = (ulong)((columns + ElementsPerGroup - 1) / ElementsPerGroup);
        var group = ((ulong)row * groups) + (ulong)(column / ElementsPerGroup);
        var number = (group * numbersPerGroup) + (ulong)(column % ElementsPerGroup / ElementsPerNumber);
        var bits = (ushort)(CounterRandom.Bits(Key, number) >> (16 * (column % ElementsPerNumber)));
        return bits >= Threshold ? Scale : 0f;
    }

    /// <summary>What a query's weight for one of so many keys is multiplied by.</summary>
    public float FactorOfWeight(int query, int key, int keys) =>
        Factor(query, key, (keys + KeysPerBlock - 1) / KeysPerBlock * KeysPerBlock);

    /// <summary>The dropout of one head of a batch, counting the heads of the first sequence first.</summary>
    public Dropout OfHead(int head) => this with { Key = CounterRandom.Bits(Key, (ulong)head) };
}
