namespace Serving.Text.Bert;

/// <summary>How a BERT tokenizer treats text; the defaults are those of uncased models.</summary>
public sealed record BertTokenizerOptions
{
    public bool Lowercase { get; init; } = true;

    /// <summary>Whether accents go; null where they go with upper case.</summary>
    public bool? StripAccents { get; init; }

    /// <summary>Whether each CJK ideograph is a word of its own.</summary>
    public bool SplitIdeographs { get; init; } = true;

    /// <summary>A longer word, in characters, is unknown.</summary>
    public int MaxWordCharacters { get; init; } = 100;

    /// <summary>Tokens that are found in a text as they are written, before anything else is done to it.</summary>
    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>What becomes of accents.</summary>
    public bool StripsAccents => StripAccents ?? Lowercase;
}

/// <summary>A token that is found in a text as it is written, also inside a word.</summary>
/// <param name="IsPiece">Whether words can have it as a piece, too.</param>
public sealed record AddedToken(string Content, int Id, bool IsPiece = true);
