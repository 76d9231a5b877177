namespace Serving.Storage;

/// <summary>In which way something failed: what a caller can do about it.</summary>
public enum ErrorKind
{
    /// <summary>Something in the request is wrong, whatever the state.</summary>
    Invalid,

    /// <summary>A name is not there.</summary>
    NotFound,

    /// <summary>The request is right, the state is not.</summary>
    FailedPrecondition,

    /// <summary>A name is taken.</summary>
    AlreadyExists,

    /// <summary>It was changed meanwhile: read it again, and decide again.</summary>
    Conflict,

    /// <summary>Too much for good: trying again does not help.</summary>
    TooLarge,

    /// <summary>Too much at present: try again later.</summary>
    Exhausted,

    /// <summary>It is not there at present; another server may have it.</summary>
    Unavailable,

    /// <summary>What is stored can't be used.</summary>
    Corrupted
}
