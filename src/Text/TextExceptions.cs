namespace Serving.Text;

/// <summary>Why a text can't be tokenized.</summary>
public enum InvalidTextReason
{
    /// <summary>It has no tokens: it is empty, or whitespace and control characters only.</summary>
    Empty,

    /// <summary>It has more characters or tokens than allowed.</summary>
    TooLong,

    /// <summary>It is no Unicode: half of a surrogate pair stands alone.</summary>
    LoneSurrogate
}

/// <summary>A text can't be tokenized; the message gives what was found, what is needed and the remedy.</summary>
public sealed class InvalidTextException(InvalidTextReason reason, string message) : Exception(message)
{
    public InvalidTextReason Reason { get; } = reason;
}

/// <summary>A vocabulary or merges file can't be used.</summary>
public sealed class VocabularyException(string message) : Exception(message);
