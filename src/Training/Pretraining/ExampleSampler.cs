using Serving.Tensors;
using Serving.Text;
using Serving.Text.Bert;
using Purpose = Serving.Training.RandomPurposes.Example;

namespace Serving.Training.Pretraining;

/// <summary>Makes examples for objectives from a corpus: arranges segments; corrupts, labels, hides tokens.</summary>
/// <remarks>
/// Follows Aroca-Ouellette and Rudzicz 2020. Everything depends on the span and the key only, also in a control run,
/// which does not learn the objectives. Arrangements have whole sentences. A span with too few of them stays as it is
/// and has no label, whichever label it would have had, so that labels stay balanced.
/// </remarks>
public sealed class ExampleSampler
{
    private const int ShortestSpan = 8;

    private readonly Corpus _corpus;
    private readonly Vocabulary _vocabulary;
    private readonly TokenMasker _masker;
    private readonly TokenCorrupter _corrupter;
    private readonly SegmentArranger _arranger;
    private readonly int _classifier;
    private readonly int _separator;
    private readonly double _shortSequences;
    private readonly List<Segment> _spans = [];

    /// <param name="length">The most tokens of a sequence, special ones included.</param>
    /// <param name="shortSequences">The share of spans that are cut to a random length.</param>
    /// <exception cref="ArgumentException">The length leaves no room, or the corpus has not one span.</exception>
    public ExampleSampler(Corpus corpus, Vocabulary vocabulary, int length, double shortSequences = 0)
    {
        const int specialTokens = 2;
        if (length < ShortestSpan + specialTokens)
        {
            throw new ArgumentException(
                $"Sequences are to have {length} tokens; at least {ShortestSpan + specialTokens} are needed.");
        }

        _corpus = corpus;
        _vocabulary = vocabulary;
        _masker = new(vocabulary);
        _corrupter = new(_masker);
        _arranger = new(corpus, length);
        _classifier = vocabulary.GetId(BertTokenizer.ClassifierToken);
        _separator = vocabulary.GetId(BertTokenizer.SeparatorToken);
        _shortSequences = shortSequences;
        for (var document = 0; document < corpus.Documents; document++)
        {
            var tokens = corpus.Length(document);
            for (var at = 0; at + ShortestSpan <= tokens; at += length - specialTokens)
                _spans.Add(new(document, at, Math.Min(length - specialTokens, tokens - at)));
        }

        if (_spans.Count == 0)
        {
            throw new ArgumentException(
                $"The corpus has no document of at least {ShortestSpan} tokens; give it more text.");
        }
    }

    /// <summary>Parts of documents that fill a sequence; none crosses a document's end.</summary>
    public IReadOnlyList<Segment> Spans => _spans;

    public int Documents => _corpus.Documents;

    /// <summary>Mean tokens of an example, special ones included; estimated from some two thousand examples.</summary>
    public double MeanTokens(IReadOnlySet<Objective> objectives)
    {
        const int enough = 2000;
        var stride = Math.Max(1, _spans.Count / enough);
        return Enumerable.Range(0, (_spans.Count + stride - 1) / stride)
            .Average(i => Sample(i * stride, objectives, CounterRandom.Bits(0, (ulong)i)).Tokens);
    }

    /// <summary>An example of a span.</summary>
    /// <param name="span">Its number.</param>
    /// <param name="objectives">At most one of <see cref="Objectives.Arrangements"/>.</param>
    /// <param name="key">Determines everything else.</param>
    public PretrainingExample Sample(int span, IReadOnlySet<Objective> objectives, ulong key)
    {
        var source = Shortened(_spans[span], CounterRandom.Key(key, Purpose.Shortening));
        var document = new Source(_corpus, source.Document);
        if ((objectives.Contains(Objective.QuickThoughts) || objectives.Contains(Objective.FastSent))
            && _arranger.Cut(document.Value, source, groups: 2, CounterRandom.Key(key, Purpose.Neighbor)) is { } halves)
        {
            return new([
                Sequence(document, halves[0], objectives, key),
                Sequence(document, halves[1], objectives, CounterRandom.Bits(key, 1))
            ]);
        }

        return new([Sequence(document, source, objectives, key)]);
    }

    private Segment Shortened(Segment span, ulong key) => CounterRandom.Uniform(key, 0) < _shortSequences
        ? span with { Count = ShortestSpan + (int)(CounterRandom.Uniform(key, 1) * (span.Count - ShortestSpan + 1)) }
        : span;

    private PretrainingSequence Sequence(Source document, Segment part, IReadOnlySet<Objective> objectives, ulong key)
    {
        var classes = new Dictionary<Objective, Targets<int>>();
        var (sources, segments, arranged) = _arranger.Arrange(
            document, part, objectives, CounterRandom.Key(key, Purpose.Arrangement));
        if (arranged is { } arrangement)
            classes[arrangement.Objective] = new([0], [arrangement.Label]);
        var pieces = new List<Piece>();
        for (var i = 0; i < segments.Length; i++)
            AddPieces(pieces, sources[i], segments[i], type: i, objectives);
        _corrupter.Corrupt(
            pieces, segments.Length, objectives, classes, CounterRandom.Key(key, Purpose.Corruption));

        var all = Assemble(pieces, segments.Length);
        int[] ids = [.. all.Select(piece => piece.Id)];
        int[] text = [.. Enumerable.Range(0, all.Count).Where(at => !all[at].IsSpecial)];
        int[] eligible = [.. text.Where(at => !all[at].IsCorrupted)];
        var (positions, labels) = _masker.Hide(ids, eligible, text.Length, key);
        if (objectives.Contains(Objective.TokenCorruption))
            classes[Objective.TokenCorruption] = new(text, [.. text.Select(at => all[at].IsCorrupted ? 1 : 0)]);
        if (objectives.Contains(Objective.Capitalization))
            classes[Objective.Capitalization] = new(eligible, [.. eligible.Select(at => all[at].IsCapital ? 1 : 0)]);
        var numbers = new Dictionary<Objective, Targets<float>>();
        if (objectives.Contains(Objective.TermFrequency))
            numbers[Objective.TermFrequency] = new(eligible, [.. eligible.Select(at => all[at].Frequency)]);
        if (objectives.Contains(Objective.TermImportance))
            numbers[Objective.TermImportance] = new(eligible, [.. eligible.Select(at => all[at].Importance)]);
        if (objectives.Contains(Objective.TokenLength))
            numbers[Objective.TokenLength] = new(eligible, [.. eligible.Select(at => (float)Characters(all[at].Id))]);
        if (objectives.Contains(Objective.TrigramShuffling))
        {
            classes[Objective.TrigramShuffling] = TrigramShuffler.Shuffle(
                ids, eligible, positions, CounterRandom.Key(key, Purpose.Trigrams));
        }

        var tokens = all.Select((piece, at) => new Token(
            ids[at], piece.Type, piece.IsSpecial ? TokenSource.Special : TokenSource.Text, default));
        return new(new([.. tokens], DroppedTokens: 0), segments, positions, labels, classes, numbers);
    }

    private static void AddPieces(
        List<Piece> pieces, Source source, Segment segment, int type, IReadOnlySet<Objective> objectives)
    {
        var frequencies = objectives.Contains(Objective.TermFrequency) ? source.Frequencies : null;
        var importances = objectives.Contains(Objective.TermImportance) ? source.Importances : null;
        for (var at = segment.First; at < segment.First + segment.Count; at++)
        {
            pieces.Add(new(
                source.Value.Tokens[at],
                type,
                IsSpecial: false,
                IsCorrupted: false,
                source.Value.Capitals[at],
                frequencies?[at] ?? 0,
                importances?[at] ?? 0));
        }
    }

    /// <summary>[CLS] first [SEP] (second [SEP]).</summary>
    private List<Piece> Assemble(List<Piece> pieces, int segments)
    {
        var all = new List<Piece>(pieces.Count + segments + 1) { Special(_classifier, 0) };
        for (var type = 0; type < segments; type++)
        {
            all.AddRange(pieces.Where(piece => piece.Type == type));
            all.Add(Special(_separator, type));
        }

        return all;

        static Piece Special(int id, int type) =>
            new(id, type, IsSpecial: true, IsCorrupted: false, IsCapital: false, 0, 0);
    }

    private int Characters(int token)
    {
        var text = _vocabulary[token];
        return text.StartsWith("##", StringComparison.Ordinal) && text.Length > 2 ? text.Length - 2 : text.Length;
    }
}
