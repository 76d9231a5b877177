using Serving.Decoding;
using Serving.Models.Decoders;
using Serving.Text;
using Serving.Text.Bpe;

namespace Serving.Inference.Generation;

/// <summary>Makes tokens of texts, as many as the model has positions for.</summary>
internal sealed class PromptReader(DecoderConfig config, BpeTokenizer tokenizer)
{
    /// <summary>The longest text, in UTF-16 code units.</summary>
    public const int MaxTextLength = 1_000_000;

    /// <summary>What stands before a text that nothing else does; null if the model has no such token.</summary>
    private int? Begin => config.BeginToken ?? config.EndToken;

    /// <summary>The most tokens of prompt and answer: nobody reads the last one.</summary>
    public int MostTokens => config.MaxPositions + 1;

    /// <summary>A prompt, with room for an answer behind it.</summary>
    /// <exception cref="InvalidTextException">It is empty, with nothing to begin with, or too long.</exception>
    /// <exception cref="SamplingOptionsException">It leaves less room than the fewest tokens of an answer.</exception>
    public PromptTokens Read(GenerationRequest request)
    {
        var ids = Encode(request.Prompt, "The prompt");
        if (ids.Count == 0)
        {
            return Begin is { } begin
                ? new([begin], Dropped: 0)
                : throw new InvalidTextException(
                    InvalidTextReason.Empty,
                    "The prompt is empty, and the model has no token that a text begins with; give at least one "
                    + "character.");
        }

        var sampling = request.Sampling;
        var fits = MostTokens - Math.Max(1, sampling.MinTokens);
        if (request.Truncates)
        {
            // Room for the whole answer, but not at the cost of more than half of what the model can see.
            var kept = Math.Max(MostTokens - sampling.MaxTokens, config.MaxPositions / 2);
            kept = Math.Clamp(kept, 1, Math.Max(1, fits));
            if (ids.Count > kept)
                return new([.. ids.Skip(ids.Count - kept)], ids.Count - kept);
        }

        if (ids.Count > config.MaxPositions)
        {
            throw new InvalidTextException(
                InvalidTextReason.TooLong,
                $"The prompt has {ids.Count} tokens; the model reads {config.MaxPositions}. Shorten it, or ask to "
                + "truncate it.");
        }

        if (ids.Count > fits)
        {
            throw new SamplingOptionsException([new(
                nameof(SamplingOptions.MinTokens),
                $"It is {sampling.MinTokens}; behind a prompt of {ids.Count} tokens the model has room for "
                + $"{MostTokens - ids.Count}.")]);
        }

        return new([.. ids], Dropped: 0);
    }

    /// <summary>A text that is scored, behind its context.</summary>
    /// <returns>All tokens, and how many of them are not scored: at least one.</returns>
    /// <exception cref="InvalidTextException">It is empty or too long, or nothing stands before it.</exception>
    public (int[] Tokens, int Context) Read(ScoreRequest request)
    {
        var context = Encode(request.Context, "The context");
        var text = Encode(request.Text, "The text");
        if (text.Count == 0)
        {
            throw new InvalidTextException(
                InvalidTextReason.Empty, "The text is empty; a text of at least one token is needed.");
        }

        if (context.Count == 0)
        {
            // Without a token to begin with, nothing says how probable the first token is: it is not scored.
            if (Begin is { } begin)
                context = [begin];
            else
                (context, text) = ([text[0]], [.. text.Skip(1)]);
        }

        if (text.Count == 0)
        {
            throw new InvalidTextException(
                InvalidTextReason.Empty,
                "The text is one token, and nothing stands before it; give a context or a longer text.");
        }

        if (context.Count + text.Count > MostTokens)
        {
            throw new InvalidTextException(
                InvalidTextReason.TooLong,
                $"Context and text have {context.Count + text.Count} tokens; at most {MostTokens} are scored. Shorten "
                + "them.");
        }

        return ([.. context, .. text], context.Count);
    }

    private IReadOnlyList<int> Encode(string text, string what)
    {
        if (text.Length > MaxTextLength)
        {
            throw new InvalidTextException(
                InvalidTextReason.TooLong,
                $"{what} has {text.Length} characters; at most {MaxTextLength} are read. Shorten it.");
        }

        return tokenizer.Encode(text);
    }
}
