using Serving.Text.Bert;

namespace Serving.Training.Pretraining;

/// <summary>What a step learns from: a sequence, or two where a text is compared with the one behind it.</summary>
public sealed record PretrainingExample(IReadOnlyList<PretrainingSequence> Sequences)
{
    public int Tokens => Sequences.Sum(sequence => sequence.Sequence.Tokens.Count);
}

/// <summary>A sequence whose tokens are partly hidden, and what is right about it.</summary>
/// <param name="Sequence">With special tokens.</param>
/// <param name="Segments">Where its texts come from.</param>
/// <param name="Positions">Of the hidden tokens, ascending; none where no token could be hidden.</param>
/// <param name="Labels">What is right there.</param>
/// <param name="Classes">Classes, by objective: one for the position 0, [CLS], or one for each of some tokens.</param>
/// <param name="Numbers">Numbers for each of some tokens, by objective.</param>
public sealed record PretrainingSequence(
    TokenSequence Sequence,
    IReadOnlyList<Segment> Segments,
    int[] Positions,
    int[] Labels,
    IReadOnlyDictionary<Objective, Targets<int>> Classes,
    IReadOnlyDictionary<Objective, Targets<float>> Numbers);

/// <summary>A part of a document.</summary>
/// <param name="Document">Its number in the corpus.</param>
/// <param name="First">Its first token in the document.</param>
/// <param name="Count">Its tokens.</param>
public readonly record struct Segment(int Document, int First, int Count);

/// <summary>What is right at some positions of a sequence.</summary>
/// <param name="Positions">Ascending.</param>
public sealed record Targets<T>(int[] Positions, T[] Values);
