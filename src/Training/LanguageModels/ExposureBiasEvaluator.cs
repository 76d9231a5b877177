using Serving.Tensors;
using Serving.Training.Decoders;
using Serving.Training.TextMetrics;

namespace Serving.Training.LanguageModels;

/// <summary>How exposure bias is measured.</summary>
/// <param name="ContinuationLength">Tokens of a continuation.</param>
/// <param name="NGram">The most tokens in a row that quality and diversity look at.</param>
/// <param name="Resamples">Of the bootstrap.</param>
internal sealed record ExposureBiasOptions(int ContinuationLength, int NGram, int Resamples);

/// <summary>Measures whether a model does worse behind its own texts than behind real ones (He et al. 2021).</summary>
/// <remarks>
/// All texts begin at the beginning of a text, and none ends: the end is never drawn, and distributions are those of
/// the tokens that go on. Everything is drawn from the whole of these distributions, alike for all kinds of prefixes.
/// </remarks>
/// <param name="teacher">What the model's training texts were drawn from; null if it is not known.</param>
/// <param name="texts">Real ones from their beginning, not learned from; prefixes are made of them.</param>
/// <param name="references">Others, as long as any prefix with its continuation; quality is judged by them.</param>
/// <param name="key">What is drawn follows from it.</param>
internal sealed class ExposureBiasEvaluator(
    TensorBackend backend, DecoderModel model, DecoderModel? teacher, IReadOnlyList<int[]> texts,
    IReadOnlyList<int[]> references, ExposureBiasOptions options, ulong key)
{
    // What is drawn, of the key of a length.
    private const ulong OwnPrefixes = 1;
    private const ulong TeacherPrefixes = 2;
    private const ulong Shuffling = 3;
    private const ulong Noise = 4;
    private const ulong Continuations = 5;
    private const ulong Bootstrap = 6;

    private readonly int _end = model.Config.EndToken!.Value;
    private readonly int _begin = model.Config.BeginToken ?? model.Config.EndToken!.Value;

    /// <param name="length">Of prefixes, at least 1.</param>
    /// <exception cref="OperationCanceledException">It was asked to stop.</exception>
    public ExposureBiasReport Run(int length, CancellationToken cancellationToken)
    {
        var keyOfLength = CounterRandom.Bits(key, (ulong)length);
        ulong Key(ulong purpose) => CounterRandom.Bits(keyOfLength, purpose);
        using var decoder = new TextDecoder(backend, model);
        var own = Draw(decoder, Beginnings(), length, Key(OwnPrefixes), cancellationToken);
        var random = Enumerable.Range(0, texts.Count).Select(i => RandomPrefix(Key(Noise), i, length)).ToList();
        List<int[]> real = [.. texts.Select(text => text[..length])];

        var bleu = new CorpusBleu([.. references.Select(Behind)], options.NGram);
        List<ReadOnlyMemory<int>> Continue(IReadOnlyList<int[]> prefixes) =>
        [
            .. Draw(
                decoder, [.. prefixes.Select(Begun)], options.ContinuationLength, Key(Continuations),
                cancellationToken).Select(text => (ReadOnlyMemory<int>)text)
        ];
        var behindReal = Continue(real);
        var others = new[] { own, Shuffled(real, Key(Shuffling)), random }.Select(Continue).ToList();
        ExposureBiasOf Compare(Func<IReadOnlyList<ReadOnlyMemory<int>>, double> score) => Of(
            [.. others.Select(other => ExposureBias.Quality(
                behindReal, other, score, options.Resamples, Key(Bootstrap)))]);

        var report = new ExposureBiasReport
        {
            PrefixLength = length,
            Prefixes = texts.Count,
            Quality = Compare(bleu.Of),
            Diversity = Compare(all => Diversity.Entropy(all, options.NGram))
        };
        if (teacher is null)
            return report;

        using var ofTeacher = new TextDecoder(backend, teacher);
        var taught = Draw(ofTeacher, Beginnings(), length, Key(TeacherPrefixes), cancellationToken);
        var distances = new[] { taught, own, Shuffled(taught, Key(Shuffling)), random }
            .Select(prefixes => prefixes.Chunk(TextDecoder.MostSequences)
                .SelectMany(part => Distances(decoder, ofTeacher, part, cancellationToken)).ToList()).ToList();
        ExposureBiasOf CompareBy(Func<(double Variation, double Divergence), double> distance) => Of(
            [.. distances.Skip(1).Select(other => ExposureBias.Consistency(
                [.. other.Select(distance)], [.. distances[0].Select(distance)], options.Resamples, Key(Bootstrap)))]);
        return report with
        {
            TotalVariation = CompareBy(distance => distance.Variation),
            JensenShannon = CompareBy(distance => distance.Divergence)
        };

        ReadOnlyMemory<int> Behind(int[] text) => text.AsMemory(length, options.ContinuationLength);
    }

    private static ExposureBiasOf Of(IReadOnlyList<RatioEstimate> estimates) =>
        new(estimates[0], estimates[1], estimates[2]);

    private List<ReadOnlyMemory<int>> Beginnings() => [.. texts.Select(_ => Begun([]))];

    private ReadOnlyMemory<int> Begun(int[] text) => (int[])[_begin, .. text];

    /// <summary>
    /// Continues texts by what is drawn; the text's number and the place decide on it, not its prefix.
    /// </summary>
    private List<int[]> Draw(
        TextDecoder decoder, IReadOnlyList<ReadOnlyMemory<int>> prefixes, int length, ulong keyOfTexts,
        CancellationToken cancellationToken)
    {
        return decoder.Continue(
            prefixes, length,
            (text, at, logits) => Draw(
                GoingOn(logits), CounterRandom.Uniform(CounterRandom.Bits(keyOfTexts, (ulong)text), (ulong)at)),
            cancellationToken);
    }

    private static int Draw(double[] p, double uniform)
    {
        for (var token = 0; token < p.Length; token++)
        {
            uniform -= p[token];
            if (uniform < 0)
                return token;
        }

        return Array.FindLastIndex(p, each => each > 0); // What rounding left.
    }

    /// <summary>Of each prefix, how far the two distributions of the next token are from each other.</summary>
    /// <param name="prefixes">Few: the distributions of all are in memory at once.</param>
    private List<(double Variation, double Divergence)> Distances(
        TextDecoder one, TextDecoder other, IReadOnlyList<int[]> prefixes, CancellationToken cancellationToken)
    {
        var (p, q) = (Next(one), Next(other));
        return [.. p.Zip(q, (a, b) => (ExposureBias.TotalVariation(a, b), ExposureBias.JensenShannon(a, b)))];

        double[][] Next(TextDecoder decoder)
        {
            var distributions = new double[prefixes.Count][];
            decoder.Continue(
                [.. prefixes.Select(Begun)], length: 1,
                (text, _, logits) =>
                {
                    distributions[text] = GoingOn(logits);
                    return 0;
                },
                cancellationToken);
            return distributions;
        }
    }

    /// <summary>The probabilities of the tokens with which a text goes on; that of its end is 0.</summary>
    private double[] GoingOn(ReadOnlySpan<float> logits)
    {
        var p = new double[logits.Length];
        var largest = double.NegativeInfinity;
        for (var token = 0; token < p.Length; token++)
            largest = token == _end ? largest : Math.Max(largest, logits[token]);
        for (var token = 0; token < p.Length; token++)
            p[token] = token == _end ? 0 : Math.Exp(logits[token] - largest);
        var sum = p.Sum();
        for (var token = 0; token < p.Length; token++)
            p[token] /= sum;
        return p;
    }

    private static List<int[]> Shuffled(IReadOnlyList<int[]> prefixes, ulong keyOfTexts) =>
    [
        .. prefixes.Select((prefix, i) => CounterRandom
            .Permutation(prefix.Length, CounterRandom.Bits(keyOfTexts, (ulong)i)).Select(at => prefix[at]).ToArray())
    ];

    private int[] RandomPrefix(ulong keyOfTexts, int text, int length)
    {
        var keyOfText = CounterRandom.Bits(keyOfTexts, (ulong)text);
        return [.. Enumerable.Range(0, length).Select(at =>
        {
            var token = (int)(CounterRandom.Uniform(keyOfText, (ulong)at) * (model.Config.Vocab - 1));
            return token < _end ? token : token + 1;
        })];
    }
}
