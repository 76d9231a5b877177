namespace Serving.Text.Bert;

/// <summary>What to do with a text of more tokens than fit.</summary>
public enum Truncation
{
    /// <summary>Refuse it.</summary>
    Error,

    /// <summary>Keep the beginning: drop tokens at the end of the pair, then at the end of the text.</summary>
    Right,

    /// <summary>Keep the end: drop tokens at the beginning of the text, then at the beginning of the pair.</summary>
    Left,

    /// <summary>Drop tokens one by one at the end of the longer of text and pair; of equals, of the pair.</summary>
    LongestFirst
}

/// <summary>Where a token came from.</summary>
public enum TokenSource
{
    /// <summary>[CLS] and [SEP].</summary>
    Special,

    Text,

    Pair
}

/// <summary>A token of a sequence.</summary>
/// <param name="Id">Its number in the vocabulary.</param>
/// <param name="Type">0 up to the first [SEP], 1 behind it.</param>
/// <param name="Span">The part of the text or pair that it stands for; empty for a special token.</param>
public readonly record struct Token(int Id, int Type, TokenSource Source, TextSpan Span);

/// <summary>A text, or a pair of texts, as the encoder reads it: [CLS] text [SEP] (pair [SEP]).</summary>
/// <param name="Tokens">With the special ones.</param>
/// <param name="DroppedTokens">How many truncation left out.</param>
public sealed record TokenSequence(IReadOnlyList<Token> Tokens, int DroppedTokens);
