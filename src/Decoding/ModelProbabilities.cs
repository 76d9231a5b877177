namespace Serving.Decoding;

/// <summary>The model's log-probabilities: those before temperature, penalties and all else.</summary>
public static class ModelProbabilities
{
    /// <summary>Keeps the logits, and finds the most probable tokens.</summary>
    /// <param name="logits">[vocab]</param>
    /// <param name="top">How many the workspace is to have.</param>
    /// <returns>ln Σ exp(logits)</returns>
    /// <exception cref="LogitsException">A logit is NaN or +infinity, or all are -infinity.</exception>
    public static double Read(ReadOnlySpan<float> logits, int top, SamplingWorkspace workspace)
    {
        logits.CopyTo(workspace.Unchanged);
        var largest = logits[LikeliestToken.Of(logits)];
        var exponentials = workspace.Exponentials.AsSpan(0, logits.Length);
        Exponentials.Fill(logits, largest, temperature: 1, exponentials);
        var sum = 0.0;
        foreach (var exponential in exponentials)
            sum += exponential;
        var logSum = largest + Math.Log(sum);
        ReadTop(logits, top, logSum, workspace);
        return logSum;
    }

    private static void ReadTop(ReadOnlySpan<float> logits, int top, double logSum, SamplingWorkspace workspace)
    {
        workspace.TopCount = 0;
        if (top == 0)
            return;
        var candidates = workspace.Candidates;
        candidates.Load(logits, top, temperature: 1);
        workspace.TopCount = Math.Min(top, candidates.Count);
        var room = workspace.TopRoom[..workspace.TopCount];
        for (var i = 0; i < room.Length; i++)
            room[i] = new(candidates.Ids[i], candidates.LogitsOfIds[i] - logSum);
        for (var i = 1; i < room.Length; i++)
        {
            for (var at = i; at > 0 && room[at].LogProbability > room[at - 1].LogProbability; at--)
                (room[at], room[at - 1]) = (room[at - 1], room[at]);
        }
    }
}
