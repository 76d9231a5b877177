using Serving.Decoding;
using Serving.Decoding.Beams;

namespace Serving.Inference.Generation;

/// <summary>What requests to a decoder have in common.</summary>
public abstract record DecoderRequest
{
    /// <summary>Whose share of the model it uses: callers share alike, by the tokens of their requests.</summary>
    public string Caller { get; init; } = "";

    /// <summary>Higher goes first.</summary>
    public int Priority { get; init; }

    /// <summary>After this an answer is of no use; it ends within a step. Null for never.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>Whether its caller limits how many requests it sends at a time, so that it is never rejected.</summary>
    public bool IsPaced { get; init; }
}

/// <summary>A prompt that is to be continued.</summary>
public sealed record GenerationRequest : DecoderRequest
{
    /// <summary>The most answers to one prompt.</summary>
    public const int MostAnswers = 16;

    /// <summary>Empty for a text from its beginning, if the model has a token for that.</summary>
    public required string Prompt { get; init; }

    /// <summary>Whether a prompt that is too long loses tokens at its beginning, or is refused.</summary>
    public bool Truncates { get; init; }

    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Whether the model's end of text is a token as any other, and does not end the answer.</summary>
    public bool IgnoresEnd { get; init; }

    /// <summary>How many answers are wanted: 1 to <see cref="MostAnswers"/>. Each has draws of its own.</summary>
    public int Answers { get; init; } = 1;

    /// <summary>
    /// Draws so many answers and gives the most probable ones, by the mean of their log-probabilities, once all are
    /// complete; up to <see cref="MostAnswers"/>. 0 draws those that are wanted.
    /// </summary>
    public int BestOf { get; init; }

    /// <summary>
    /// With more than one beam, up to <see cref="MostAnswers"/>, answers are searched, not drawn, and come when they
    /// are complete, the best first. There are no more answers than beams.
    /// </summary>
    public BeamOptions Beams { get; init; } = new(1);

    internal bool Searches => Beams.Count > 1;

    /// <summary>How many answers are written.</summary>
    internal int Drawn => Math.Max(Answers, BestOf);
}

/// <summary>A text whose tokens' probabilities are wanted.</summary>
public sealed record ScoreRequest : DecoderRequest
{
    /// <summary>What comes before the text and is not scored itself; may be empty.</summary>
    public string Context { get; init; } = "";

    public required string Text { get; init; }
}
