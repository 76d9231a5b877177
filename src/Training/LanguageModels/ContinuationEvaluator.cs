using Serving.Decoding;
using Serving.Tensors;
using Serving.Training.Decoders;

namespace Serving.Training.LanguageModels;

/// <summary>Continues texts by several methods, and measures what comes out, beside the texts themselves.</summary>
/// <param name="key">What is drawn follows from it, the method's number, the text and the place.</param>
internal sealed class ContinuationEvaluator(
    TrainingBackend backend, DecoderModel model, int prefixLength, int continuationLength, ulong key)
{
    /// <summary>What the texts' own continuations are called.</summary>
    public const string Text = "text";

    private readonly float[] _logits = new float[model.Config.Vocab];
    private readonly SamplingWorkspace _workspace = new(model.Config.Vocab);

    /// <param name="texts">Each a prefix and the continuation that it had; at least two.</param>
    /// <returns>That of the texts themselves, then one for each method.</returns>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public IEnumerable<ContinuationReport> Run(
        IReadOnlyList<int[]> texts, IReadOnlyList<DecodingMethod> methods, CancellationToken cancellationToken)
    {
        using var decoder = new TextDecoder(backend, model);
        ReadOnlyMemory<int>[] prefixes = [.. texts.Select(text => text.AsMemory(0, prefixLength))];
        yield return Measure(
            decoder, prefixes, Text, (text, at, _) => texts[text][prefixLength + at], cancellationToken);
        foreach (var (number, method) in methods.Index())
        {
            yield return Measure(
                decoder, prefixes, method.Name, Chooser(prefixes, method, CounterRandom.Bits(key, (ulong)number)),
                cancellationToken);
        }
    }

    /// <summary>The generator's own choice.</summary>
    private TokenChoice Chooser(ReadOnlyMemory<int>[] prefixes, DecodingMethod method, ulong seed)
    {
        var options = method.Sampling with { Seed = seed, MaxTokens = continuationLength };
        TokenSampler[] samplers =
        [
            .. prefixes.Select((prefix, text) => new TokenSampler(
                options, prefix.Span, _logits.Length, prefixLength + continuationLength, text))
        ];
        return (text, _, logits) =>
        {
            logits.CopyTo(_logits);
            return samplers[text].Next(_logits, _workspace).Token;
        };
    }

    private ContinuationReport Measure(
        TextDecoder decoder, ReadOnlyMemory<int>[] prefixes, string name, TokenChoice choose,
        CancellationToken cancellationToken)
    {
        var loss = 0.0;
        var continuations = decoder.Continue(prefixes, continuationLength, (text, at, logits) =>
        {
            var token = choose(text, at, logits);
            loss += ModelProbabilities.Read(logits, top: 0, _workspace) - logits[token];
            return token;
        }, cancellationToken);
        return ContinuationReport.Of(
            name, [.. continuations.Select(text => (ReadOnlyMemory<int>)text)],
            loss / ((double)prefixes.Length * continuationLength));
    }
}
