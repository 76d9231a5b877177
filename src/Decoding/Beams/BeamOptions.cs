namespace Serving.Decoding.Beams;

/// <summary>A search for probable texts.</summary>
/// <param name="Count">How many beams go on in each step: 1 or more.</param>
/// <param name="LengthPenalty">
/// A text's score is the sum of its tokens' log-probabilities / tokens^this: 0 takes the sum, 1 the mean, more favors
/// longer texts.
/// </param>
public sealed record BeamOptions(
    int Count, double LengthPenalty = 1, EarlyStopping EarlyStopping = EarlyStopping.WhenLikely);
