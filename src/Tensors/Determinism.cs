namespace Serving.Tensors;

/// <summary>What a backend promises of the bits of its results, beyond that they are right.</summary>
[Flags]
public enum Determinism
{
    None = 0,

    /// <summary>The same operations on the same operands, in the same order and shapes, give the same bits.</summary>
    Repeatable = 1,

    /// <summary>A row of a result has the same bits whatever the other rows are and wherever it stands.</summary>
    BatchInvariant = 2,

    /// <summary>The number of threads, and the lane, change no bits.</summary>
    ThreadInvariant = 4
}
