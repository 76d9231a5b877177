namespace Serving.Inference.Classification;

/// <summary>The result of one task.</summary>
/// <param name="Task">Its name.</param>
/// <param name="Version">The version that answered.</param>
/// <param name="Labels">The task's labels.</param>
/// <param name="Logits">A number for each label; the larger, the likelier.</param>
/// <param name="Probabilities">The softmax of the logits.</param>
public sealed record TaskScores(
    string Task, string Version, IReadOnlyList<string> Labels, float[] Logits, float[] Probabilities)
{
    /// <summary>The label with the largest logit; of equals, the first.</summary>
    public string Label => Labels[Logits.AsSpan().IndexOf(Logits.Max())];
}
