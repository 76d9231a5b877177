namespace Serving.Training.Pretraining;

/// <summary>A token on its way into an example.</summary>
/// <param name="Type">Which of the segments it is in, from 0.</param>
/// <param name="IsCorrupted">Whether it differs from the document's.</param>
/// <param name="Frequency">See <see cref="TermWeights.TermFrequency"/>; 0 if nobody asks for it.</param>
/// <param name="Importance">See <see cref="TermWeights.TermImportance"/>; 0 if nobody asks for it.</param>
internal readonly record struct Piece(
    int Id, int Type, bool IsSpecial, bool IsCorrupted, bool IsCapital, float Frequency, float Importance);
