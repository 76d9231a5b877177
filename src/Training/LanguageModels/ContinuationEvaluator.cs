using Serving.Tensors;
using Serving.Training.Gpt2;

namespace Serving.Training.LanguageModels;

/// <summary>Continues texts by several methods, and measures what comes out, beside the texts themselves.</summary>
/// <param name="key">What is drawn follows from it, the method's number, the text and the place.</param>
internal sealed class ContinuationEvaluator(
    TrainingBackend backend, Gpt2Model model, int prefixLength, int continuationLength, ulong key)
{
    /// <summary>What the texts' own continuations are called.</summary>
    public const string Text = "text";

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
            var ofMethod = CounterRandom.Bits(key, (ulong)number);
            yield return Measure(
                decoder, prefixes, method.Name,
                (text, at, logits) => method.Choose(
                    logits, CounterRandom.Uniform(CounterRandom.Bits(ofMethod, (ulong)text), (ulong)at)),
                cancellationToken);
        }
    }

    private ContinuationReport Measure(
        TextDecoder decoder, ReadOnlyMemory<int>[] prefixes, string name, TokenChoice choose,
        CancellationToken cancellationToken)
    {
        var loss = 0.0;
        var continuations = decoder.Continue(prefixes, continuationLength, (text, at, logits) =>
        {
            var token = choose(text, at, logits);
            loss += CrossEntropy(logits, token);
            return token;
        }, cancellationToken);
        return ContinuationReport.Of(
            name, [.. continuations.Select(text => (ReadOnlyMemory<int>)text)],
            loss / ((double)prefixes.Length * continuationLength));
    }

    private static double CrossEntropy(ReadOnlySpan<float> logits, int token)
    {
        var largest = (double)logits[DecodingMethod.Largest(logits)];
        var sum = 0.0;
        foreach (var logit in logits)
            sum += Math.Exp(logit - largest);
        return largest + Math.Log(sum) - logits[token];
    }
}
