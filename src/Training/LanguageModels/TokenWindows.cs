namespace Serving.Training.LanguageModels;

/// <summary>A stream of tokens cut into sequences: each token but the first is predicted once.</summary>
/// <param name="length">Of a sequence; the last one may be shorter.</param>
public sealed class TokenWindows(TokenStream stream, int length)
{
    public int Count { get; } = checked((int)((stream.Tokens - 1 + length - 1) / length));

    /// <summary>Unicode characters of the predicted tokens, with one more for the end of each document.</summary>
    public long Characters => stream.Characters;

    public TokenWindow this[int window]
    {
        get
        {
            var first = (long)window * length;
            return new(stream.Read(first, (int)Math.Min(length + 1, stream.Tokens - first)));
        }
    }

    /// <summary>The documents that a sequence has parts of, from 0.</summary>
    public IEnumerable<int> Documents(int window)
    {
        var first = (long)window * length;
        var last = Math.Min(first + length, stream.Tokens - 1);
        var document = stream.DocumentOf(first + 1);
        return Enumerable.Range(document, stream.DocumentOf(last) - document + 1);
    }
}

/// <summary>Tokens of which each predicts the next.</summary>
/// <param name="Tokens">At least two.</param>
public sealed record TokenWindow(int[] Tokens)
{
    /// <summary>How many are predicted.</summary>
    public int Count => Tokens.Length - 1;

    /// <summary>What is predicted from.</summary>
    public ReadOnlyMemory<int> Inputs => Tokens.AsMemory(0, Count);

    /// <summary>What is right behind each.</summary>
    public ReadOnlySpan<int> Labels => Tokens.AsSpan(1);
}
