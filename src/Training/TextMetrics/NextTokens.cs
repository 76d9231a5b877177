namespace Serving.Training.TextMetrics;

/// <summary>What a model predicts where a text is given: does it say again what was just said?</summary>
/// <remarks>Each prediction stands beside the text's own token (Welleck et al. 2020, sec. 6).</remarks>
public static class NextTokens
{
    /// <summary>How many predictions are among the tokens of the text just before (rep/l).</summary>
    /// <param name="window">l: how many tokens before count.</param>
    public static int Repeated(ReadOnlySpan<int> predictions, ReadOnlySpan<int> targets, int window)
    {
        var repeated = 0;
        for (var i = 0; i < targets.Length; i++)
            repeated += Before(targets, i, window).Contains(predictions[i]) ? 1 : 0;
        return repeated;
    }

    /// <summary>The same for predictions that are wrong (wrep/l).</summary>
    public static int WronglyRepeated(ReadOnlySpan<int> predictions, ReadOnlySpan<int> targets, int window)
    {
        var repeated = 0;
        for (var i = 0; i < targets.Length; i++)
        {
            repeated += predictions[i] != targets[i] && Before(targets, i, window).Contains(predictions[i]) ? 1 : 0;
        }

        return repeated;
    }

    private static ReadOnlySpan<int> Before(ReadOnlySpan<int> targets, int at, int window)
    {
        var first = Math.Max(0, at - window);
        return targets[first..at];
    }
}
