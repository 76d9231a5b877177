using Serving.Catalog.Resident;
using Serving.Inference.Generation;

namespace Serving.Server.Services;

/// <summary>What a generation engine gives, as messages.</summary>
internal static class GenerationMessages
{
    public static V1.GenerationStarted Started(GeneratorHost host, GenerationRequest asked, GenerationStream stream) =>
        new()
        {
            Model = host.Name,
            Digest = host.Digest,
            Sampling = SamplingMessages.Effective(stream.Sampling, asked),
            Prompt = new()
            {
                Tokens = stream.PromptTokens,
                InputTokens = stream.PromptTokens + stream.DroppedTokens,
                Truncated = stream.DroppedTokens > 0
            }
        };

    public static V1.GeneratedText Text(GenerationPart part, GenerationEngine engine) => new()
    {
        Answer = part.Answer,
        Text = part.Text,
        Tokens = { part.Tokens.Select(token => Token(token, engine)) }
    };

    /// <param name="answers">How each answer ended.</param>
    public static V1.GenerationFinished Finished(GenerationStream stream, AnswerEnd[] answers, TimeSpan total) => new()
    {
        Answers =
        {
            answers.Select(Finished)
        },
        Usage = new()
        {
            PromptTokens = stream.PromptTokens,
            GeneratedTokens = answers.Sum(end => end.Tokens),
            CachedPromptTokens = stream.CachedTokens
        },
        Timing = new()
        {
            QueueSeconds = stream.Queued.TotalSeconds,
            FirstTokenSeconds = stream.TimeToFirstToken.TotalSeconds,
            TotalSeconds = total.TotalSeconds
        }
    };

    public static V1.ScoredText Scored(ScoreResult result, GenerationEngine engine)
    {
        var sum = result.LogProbabilities.Sum();
        return new()
        {
            Tokens =
            {
                result.Tokens.Zip(result.LogProbabilities, (token, logProbability) => new V1.GeneratedToken
                {
                    Id = token,
                    Text = engine.TextOf(token),
                    Logprob = logProbability
                })
            },
            Logprob = sum,
            Perplexity = Math.Exp(-sum / result.Tokens.Count),
            ContextTokens = result.ContextTokens
        };
    }

    private static V1.FinishedAnswer Finished(AnswerEnd end)
    {
        var answer = new V1.FinishedAnswer { FinishReason = Reason(end.Reason), Tokens = end.Tokens };
        if (end.Score is { } score)
            answer.Score = score;
        return answer;
    }

    private static V1.GeneratedToken Token(AnswerToken token, GenerationEngine engine) => new()
    {
        Id = token.Token,
        Text = engine.TextOf(token.Token),
        Logprob = token.LogProbability,
        Top =
        {
            token.Top.Select(top => new V1.TokenLogprob
            {
                Id = top.Token,
                Text = engine.TextOf(top.Token),
                Logprob = top.LogProbability
            })
        }
    };

    private static V1.FinishReason Reason(FinishReason reason) => reason switch
    {
        FinishReason.Length => V1.FinishReason.Length,
        FinishReason.Stop => V1.FinishReason.Stop,
        FinishReason.EndOfText => V1.FinishReason.EndOfText,
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "There is no message for it.")
    };
}
