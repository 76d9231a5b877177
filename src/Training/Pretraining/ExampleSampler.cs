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
    private const int MostSpecialTokens = 3; // Of two segments.
    private const double CorruptedShare = 0.1;
    private const int FewestCorrupted = 2;
    private const double TrigramRate = 0.05;

    private static readonly int[][] Orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

    private readonly Corpus _corpus;
    private readonly Vocabulary _vocabulary;
    private readonly TokenMasker _masker;
    private readonly int _classifier;
    private readonly int _separator;
    private readonly int _length;
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
        _classifier = vocabulary.GetId(BertTokenizer.ClassifierToken);
        _separator = vocabulary.GetId(BertTokenizer.SeparatorToken);
        _length = length;
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
            && Cut(document.Value, source, groups: 2, CounterRandom.Key(key, Purpose.Neighbor)) is { } halves)
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

    /// <summary>Groups the whole sentences that fit, from the first that begins in a part; null if too few.</summary>
    /// <remarks>They may end after the part. Half sentences would reveal the order of the segments.</remarks>
    private Segment[]? Cut(Document document, Segment part, int groups, ulong key)
    {
        var first = part.First == 0
            ? 0
            : document.SentenceEnds.FirstOrDefault(end => end >= part.First, document.Tokens.Length);
        var last = first + Math.Min(part.Count, _length - MostSpecialTokens);
        int[] ends = [.. document.SentenceEnds.Where(end => end > first && end <= last)];
        if (first >= part.First + part.Count || ends.Length < groups)
            return null;
        var parts = new Segment[groups];
        int[] cuts = [.. SplitPoints.Draw(ends.Length, groups, key), ends.Length];
        for (var i = 0; i < groups; i++)
        {
            var end = ends[cuts[i] - 1];
            parts[i] = new(part.Document, first, end - first);
            first = end;
        }

        return parts;
    }

    private PretrainingSequence Sequence(Source document, Segment part, IReadOnlySet<Objective> objectives, ulong key)
    {
        var classes = new Dictionary<Objective, Targets<int>>();
        var (sources, segments) = Arrange(
            document, part, objectives, classes, CounterRandom.Key(key, Purpose.Arrangement));
        var pieces = new List<Piece>();
        for (var i = 0; i < segments.Length; i++)
            AddPieces(pieces, sources[i], segments[i], type: i, objectives);
        Corrupt(pieces, segments.Length, objectives, classes, CounterRandom.Key(key, Purpose.Corruption));

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
            ShuffleTrigrams(ids, eligible, positions, classes, CounterRandom.Key(key, Purpose.Trigrams));
        var tokens = all.Select((piece, at) => new Token(
            ids[at], piece.Type, piece.IsSpecial ? TokenSource.Special : TokenSource.Text, default));
        return new(new([.. tokens], DroppedTokens: 0), segments, positions, labels, classes, numbers);
    }

    /// <summary>One segment, or two with the label of their arrangement; each with its document.</summary>
    private (Source[] Sources, Segment[] Segments) Arrange(
        Source document, Segment part, IReadOnlySet<Objective> objectives, Dictionary<Objective, Targets<int>> classes,
        ulong key)
    {
        var arrangements = Objectives.Arrangements.Where(objectives.Contains).ToList();
        if (arrangements.Count == 0)
            return ([document], [part]);
        var arrangement = arrangements[0];
        var groups = arrangement == Objective.SentenceDistance ? 3 : 2;
        if ((_corpus.Documents == 1 && Objectives.Of(arrangement).NeedsDocuments)
            || Cut(document.Value, part, groups, CounterRandom.Bits(key, 0)) is not { } cut)
            return ([document], [part]);

        var choice = CounterRandom.Uniform(key, 1);
        var isSwapped = CounterRandom.Uniform(key, 2) < 0.5;
        var (first, next) = (cut[0], cut[1]);
        int label;
        switch (arrangement)
        {
            case Objective.SentenceOrder:
                label = isSwapped ? 0 : 1;
                return Two(document, isSwapped ? next : first, document, isSwapped ? first : next);
            case Objective.NextSentence:
                label = choice < 0.5 ? 1 : 0;
                return label == 1 ? Two(document, first, document, next) : WithForeign(next.Count);
            case Objective.AdjacentSentence:
                label = choice >= 2.0 / 3 ? 2 : isSwapped ? 1 : 0;
                return label == 2
                    ? WithForeign(next.Count)
                    : Two(document, isSwapped ? next : first, document, isSwapped ? first : next);
            default:
                label = (int)(choice * 3);
                return label switch
                {
                    0 => Two(document, first, document, next),
                    1 => Two(document, first, document, cut[2]),
                    _ => WithForeign(cut[2].Count)
                };
        }

        (Source[] Sources, Segment[] Segments) Two(Source a, Segment left, Source b, Segment right)
        {
            classes[arrangement] = new([0], [label]);
            return ([a, b], [left, right]);
        }

        (Source[] Sources, Segment[] Segments) WithForeign(int count)
        {
            var other = (int)(CounterRandom.Uniform(key, 3) * (_corpus.Documents - 1));
            var foreign = new Source(_corpus, other >= document.Number ? other + 1 : other);
            var room = _length - MostSpecialTokens - first.Count;
            var ends = foreign.Value.SentenceEnds;
            int[] fitting =
                [.. Enumerable.Range(0, ends.Length).Where(sentence => ends[sentence] - Start(sentence) <= room)];
            var start = fitting.Length == 0 ? 0 : Start(fitting[(int)(CounterRandom.Uniform(key, 4) * fitting.Length)]);
            // In case all its sentences are too long.
            var ifTooLong = start + Math.Min(count, foreign.Value.Tokens.Length - start);
            var end = ends.Where(end => end > start && end - start <= room)
                .OrderBy(end => Math.Abs(end - start - count)).FirstOrDefault(ifTooLong);
            return Two(document, first, foreign, new(foreign.Number, start, end - start));

            int Start(int sentence) => sentence == 0 ? 0 : ends[sentence - 1];
        }
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

    /// <summary>
    /// Permutes, replaces or inserts a tenth of the tokens: in half of the inputs where the input's class is asked for,
    /// else in all.
    /// </summary>
    private void Corrupt(
        List<Piece> pieces, int segments, IReadOnlySet<Objective> objectives,
        Dictionary<Objective, Targets<int>> classes, ulong key)
    {
        var ofInput = objectives.Contains(Objective.SentenceCorruption);
        if (!ofInput && !objectives.Contains(Objective.TokenCorruption))
            return;
        var isCorrupted = !ofInput || CounterRandom.Uniform(key, 0) < 0.5;
        if (ofInput)
            classes[Objective.SentenceCorruption] = new([0], [isCorrupted ? 1 : 0]);
        if (!isCorrupted)
            return;
        var count = Math.Min(pieces.Count, Math.Max(FewestCorrupted, (int)Math.Round(CorruptedShare * pieces.Count)));
        int[] chosen = [.. CounterRandom.Permutation(pieces.Count, CounterRandom.Bits(key, 1)).Take(count)];
        var random = CounterRandom.Key(key, 2);
        switch ((int)(CounterRandom.Uniform(key, 3) * 3))
        {
            case 0: // Each takes the next one's token; the places are in random order.
                var moved = chosen.Select(at => pieces[at].Id).ToArray();
                for (var i = 0; i < count; i++)
                    Put(chosen[i], moved[(i + 1) % count]);
                break;
            case 1:
                for (var i = 0; i < count; i++)
                    Put(chosen[i], _masker.Ordinary(CounterRandom.Uniform(random, (ulong)i)));
                break;
            default: // At the end, as many are lost.
                var length = pieces.Count;
                foreach (var (at, i) in chosen.Select((at, i) => (at, i)).OrderByDescending(entry => entry.at))
                {
                    pieces.Insert(at, pieces[at] with
                    {
                        Id = _masker.Ordinary(CounterRandom.Uniform(random, (ulong)i)),
                        IsCorrupted = true
                    });
                }

                pieces.RemoveRange(length, pieces.Count - length);
                for (var type = segments - 1; type > 0 && !pieces.Exists(piece => piece.Type == type); type--)
                    pieces[^type] = pieces[^type] with { Type = type }; // A short last segment keeps a token.
                break;
        }

        void Put(int at, int id) => pieces[at] = pieces[at] with { Id = id, IsCorrupted = pieces[at].Id != id };
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

    /// <summary>Shuffles some trigrams without hidden, corrupted or special tokens; labels the middle ones.</summary>
    private static void ShuffleTrigrams(
        int[] ids, int[] eligible, int[] hidden, Dictionary<Objective, Targets<int>> classes, ulong key)
    {
        var free = eligible.Except(hidden).ToHashSet();
        var wanted = Math.Max(1, (int)Math.Round(TrigramRate * eligible.Length));
        var middles = new SortedDictionary<int, int>();
        foreach (var index in CounterRandom.Permutation(eligible.Length, CounterRandom.Bits(key, 0)))
        {
            var middle = eligible[index];
            if (middles.Count == wanted)
                break;
            if (!free.Contains(middle - 1) || !free.Contains(middle) || !free.Contains(middle + 1))
                continue;
            var order = (int)(CounterRandom.Uniform(key, 1 + (ulong)middle) * Orders.Length);
            int[] before = [ids[middle - 1], ids[middle], ids[middle + 1]];
            for (var i = 0; i < 3; i++)
            {
                ids[middle - 1 + i] = before[Orders[order][i]];
                free.Remove(middle - 1 + i);
            }

            middles.Add(middle, order);
        }

        classes[Objective.TrigramShuffling] = new([.. middles.Keys], [.. middles.Values]);
    }

    private int Characters(int token)
    {
        var text = _vocabulary[token];
        return text.StartsWith("##", StringComparison.Ordinal) && text.Length > 2 ? text.Length - 2 : text.Length;
    }

    private readonly record struct Piece(
        int Id, int Type, bool IsSpecial, bool IsCorrupted, bool IsCapital, float Frequency, float Importance);

    /// <summary>A document; its term weights are computed on demand.</summary>
    private sealed class Source(Corpus corpus, int number)
    {
        private float[]? _frequencies;
        private float[]? _importances;

        public int Number => number;

        public Document Value { get; } = corpus.Read(number);

        public float[] Frequencies => _frequencies ??= TermWeights.TermFrequency(Value);

        public float[] Importances => _importances ??= TermWeights.TermImportance(Value, corpus);
    }
}
