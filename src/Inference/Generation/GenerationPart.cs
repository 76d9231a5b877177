using Serving.Decoding;

namespace Serving.Inference.Generation;

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>It has as many tokens as it may, or as the model has positions for.</summary>
    Length,

    /// <summary>A stop string came, which is no part of it.</summary>
    Stop,

    /// <summary>A stop token came, such as the model's end of text; it is counted, and no part of the text.</summary>
    EndOfText
}

/// <summary>What a step adds to an answer. All texts of an answer, put together, are the answer.</summary>
/// <param name="Answer">Which of the answers, from 0.</param>
/// <param name="Text">
/// Whole characters, none of a stop string among them; empty where only tokens or the end come.
/// </param>
/// <param name="Tokens">Those whose text is there by now; empty unless log-probabilities are wanted.</param>
/// <param name="End">Null while there is more to come.</param>
public sealed record GenerationPart(int Answer, string Text, IReadOnlyList<AnswerToken> Tokens, AnswerEnd? End);

/// <summary>How an answer ended.</summary>
/// <param name="Tokens">How many were generated, those of a stop string and a stop token included.</param>
/// <param name="Score">
/// What it was chosen by, if it was: of beam search the sum of its log-probabilities over its length to the power of
/// the length penalty, of best-of their mean; null for an answer of a search that found fewer texts.
/// </param>
public sealed record AnswerEnd(FinishReason Reason, int Tokens, double? Score = null);

/// <summary>A token of an answer or a scored text.</summary>
/// <param name="LogProbability">The natural logarithm of the model's probability, before all sampling.</param>
/// <param name="Top">The most probable tokens in its place, as many as were asked for.</param>
public sealed record AnswerToken(int Token, double LogProbability, IReadOnlyList<TokenLogProbability> Top);
