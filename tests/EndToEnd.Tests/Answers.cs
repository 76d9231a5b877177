using Serving.V1;

namespace Serving.EndToEnd.Tests;

/// <summary>Compares answers.</summary>
internal static class Answers
{
    /// <summary>The same version's same label, and logits that are no further apart than the tolerance.</summary>
    /// <param name="tolerance">0 for answers of the same bits.</param>
    public static void AssertSame(Classification expected, Classification actual, float tolerance)
    {
        if (tolerance == 0)
        {
            Assert.Equal(expected, actual);
            return;
        }

        Assert.Equal((expected.Task, expected.Version), (actual.Task, actual.Version));
        Assert.Equal(expected.Scores.Select(score => score.Label), actual.Scores.Select(score => score.Label));
        foreach (var (wanted, got) in expected.Scores.Zip(actual.Scores))
            Assert.Equal(wanted.Logit, got.Logit, tolerance);
    }
}
