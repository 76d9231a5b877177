namespace Serving.Decoding.Beams;

/// <summary>A text that a beam search found.</summary>
/// <param name="Tokens">Those behind the prompt, with the stop token if one ends it.</param>
/// <param name="LogProbabilities">The model's of each.</param>
/// <param name="Score">What texts are compared by; see <see cref="BeamOptions"/>.</param>
public sealed record BeamText(int[] Tokens, double[] LogProbabilities, double Score, BeamEnd End);

/// <summary>What ends a text.</summary>
public enum BeamEnd
{
    MostTokens,
    StopToken,
    StopString
}
