namespace Serving.Hub.Sources;

/// <summary>What a pull does.</summary>
public enum PullPhase
{
    /// <summary>Asks the source what there is.</summary>
    Resolving,

    Downloading,

    /// <summary>Makes a Hugging Face folder of what was downloaded.</summary>
    Converting,

    /// <summary>Reads the model as if to run it.</summary>
    Checking,

    /// <summary>Reads the model into memory.</summary>
    Loading
}

/// <summary>How far a pull is.</summary>
/// <param name="File">What is downloaded at present; empty for nothing.</param>
/// <param name="Bytes">Of all files together, those of an earlier try included.</param>
/// <param name="TotalBytes">Of all files together; 0 while that is not known.</param>
/// <param name="Note">What people should know, as a clause: why it waits; empty for nothing.</param>
public sealed record PullProgress(
    PullPhase Phase, string File = "", long Bytes = 0, long TotalBytes = 0, string Note = "");
