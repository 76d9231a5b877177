using Serving.Text.Bert;
using Serving.Training.Loop;

namespace Serving.Training.Classification;

/// <summary>A tokenized example.</summary>
/// <param name="Label">Which of the labels is right; for regression 0.</param>
/// <param name="Target">For regression, the number that is right.</param>
public readonly record struct ClassifierExample(TokenSequence Sequence, int Label, float Target = 0);

/// <summary>What a classifier learns from and is judged by.</summary>
/// <param name="Labels">Their names, in the order of the head's outputs; empty for regression.</param>
/// <param name="Train">At least one.</param>
/// <param name="Validation">At least one; chooses the best state.</param>
public sealed record ClassifierData(
    IReadOnlyList<string> Labels, IReadOnlyList<ClassifierExample> Train, IReadOnlyList<ClassifierExample> Validation)
{
    /// <summary>What some of the examples to learn from are, for people: files and lines.</summary>
    public Func<IReadOnlyList<int>, string> Describe { get; init; } =
        items => $"examples {ItemNumbers.List(items.Select(item => item + 1L))}";

    public bool IsRegression => Labels.Count == 0;

    /// <summary>Outputs of the head.</summary>
    public int Outputs => IsRegression ? 1 : Labels.Count;

    /// <exception cref="ArgumentException">There is nothing to learn, or to judge by.</exception>
    public void Validate()
    {
        if (Train.Count == 0 || Validation.Count == 0)
        {
            throw new ArgumentException(
                $"There are {Train.Count} examples to learn from and {Validation.Count} to judge by; "
                + "at least one of each is needed.");
        }

        if (IsRegression)
            return;
        var seen = Train.Select(example => example.Label).ToHashSet();
        if (seen.Count < 2)
        {
            throw new ArgumentException(
                $"All examples to learn from are '{Labels[Train[0].Label]}'; at least two labels are needed.");
        }

        var unseen = Validation.Select(example => example.Label)
            .Where(label => !seen.Contains(label)).Distinct().ToList();
        if (unseen.Count > 0)
        {
            throw new ArgumentException(
                $"Labels that come only in validation: {string.Join(", ", unseen.Select(label => Labels[label]))}. "
                + "Give examples to learn them from.");
        }
    }
}
