using Serving.V1;

namespace Serving.Client;

/// <summary>Which vectors a <see cref="ServingEmbeddingGenerator"/> asks for.</summary>
public sealed record ServingEmbeddingOptions
{
    /// <summary>Empty by default: that of the task; without a task the one that is loaded.</summary>
    public string Model { get; init; } = "";

    /// <summary>Whose mask the model is seen through; null by default.</summary>
    public TaskReference? Task { get; init; }

    /// <summary>By default what the task's head sees, and the mean without a task.</summary>
    public Pooling Pooling { get; init; }

    /// <summary>Whether vectors have length 1; true by default.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>Of texts of more tokens than the model reads; by default they are an error.</summary>
    public Truncation Truncation { get; init; }

    /// <summary>
    /// The most texts of a call, which has to end within <see cref="ServingClientOptions.Timeout"/>; 64 by default. It
    /// is less where the server takes less.
    /// </summary>
    public int MaxInputs { get; init; } = 64;
}
