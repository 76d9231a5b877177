using Serving.Training.Pretraining;

namespace Serving.Training.Tests.Pretraining;

/// <summary>What examples are made of, held against the documents that they come from.</summary>
public sealed class ExampleSamplerTests : IDisposable
{
    private const int Length = 32;
    private const int Samples = 6000;
    private const int Mask = 4;

    private readonly TextCorpus _corpus = new(Enumerable.Range(0, 60).Select(i => Story.Document(i)), Story.Tokenizer);
    private readonly ExampleSampler _sampler;

    public ExampleSamplerTests() => _sampler = new(_corpus.Value, Story.Words, Length);

    /// <summary>The chi-square for equal shares at a risk of 1e-4: 15.1 for 1, 18.4 for 2 degrees of freedom.</summary>
    [Theory]
    [InlineData(Objective.NextSentence, "0.5 0.5")]
    [InlineData(Objective.AdjacentSentence, "0.3333 0.3333 0.3333")]
    [InlineData(Objective.SentenceOrder, "0.5 0.5")]
    [InlineData(Objective.SentenceDistance, "0.3333 0.3333 0.3333")]
    [InlineData(Objective.SentenceCorruption, "0.5 0.5")]
    public void Labels_HaveTheirShares(Objective objective, string shares)
    {
        double[] expected = [.. shares.Split(' ').Select(
            share => double.Parse(share, System.Globalization.CultureInfo.InvariantCulture))];
        var counts = new int[expected.Length];
        foreach (var sequence in Sample(objective).SelectMany(example => example.Sequences))
        {
            if (sequence.Classes.TryGetValue(objective, out var targets))
            {
                Assert.Equal([0], targets.Positions);
                counts[targets.Values.Single()]++;
            }
        }

        var total = counts.Sum();
        Assert.True(total > Samples / 2, $"{total} have a label");
        var chiSquare =
            counts.Zip(expected, (count, share) => Math.Pow(count - (share * total), 2) / (share * total)).Sum();
        Assert.True(chiSquare < (expected.Length == 2 ? 15.1 : 18.4), $"{chiSquare}: {string.Join(' ', counts)}");
    }

    [Theory]
    [InlineData(Objective.NextSentence)]
    [InlineData(Objective.AdjacentSentence)]
    [InlineData(Objective.SentenceOrder)]
    [InlineData(Objective.SentenceDistance)]
    public void Segments_AreWhatTheirLabelSays(Objective objective)
    {
        foreach (var sequence in Sample(objective).SelectMany(example => example.Sequences))
        {
            AssertTokensAreTheDocuments(sequence);
            Assert.InRange(sequence.Sequence.Tokens.Count, 6, Length);
            if (!sequence.Classes.TryGetValue(objective, out var targets))
            {
                Assert.Single(sequence.Segments);
                continue;
            }

            var (a, b) = (sequence.Segments[0], sequence.Segments[1]);
            Assert.True(a.Count > 0 && b.Count > 0);
            Assert.All(sequence.Segments, AssertIsWholeSentences);
            var isNext = a.Document == b.Document && b.First == a.First + a.Count;
            var isPrevious = a.Document == b.Document && a.First == b.First + b.Count;
            var isApart = a.Document == b.Document && b.First > a.First + a.Count;
            var isForeign = a.Document != b.Document;
            Assert.True((objective, targets.Values.Single()) switch
            {
                (Objective.NextSentence, 1) => isNext,
                (Objective.NextSentence, 0) => isForeign,
                (Objective.AdjacentSentence, 0) => isNext,
                (Objective.AdjacentSentence, 1) => isPrevious,
                (Objective.AdjacentSentence, 2) => isForeign,
                (Objective.SentenceOrder, 1) => isNext,
                (Objective.SentenceOrder, 0) => isPrevious,
                (Objective.SentenceDistance, 0) => isNext,
                (Objective.SentenceDistance, 1) => isApart,
                (Objective.SentenceDistance, 2) => isForeign,
                _ => false
            });
        }
    }

    [Theory]
    [InlineData(Objective.QuickThoughts)]
    [InlineData(Objective.FastSent)]
    public void Neighbors_AreAdjacent(Objective objective)
    {
        var pairs = Sample(objective).Where(example => example.Sequences.Count == 2).ToList();
        Assert.True(pairs.Count > Samples / 2);
        Assert.All(pairs, pair =>
        {
            var (a, b) = (pair.Sequences[0].Segments.Single(), pair.Sequences[1].Segments.Single());
            Assert.Equal((a.Document, a.First + a.Count), (b.Document, b.First));
            AssertIsWholeSentences(a);
            AssertIsWholeSentences(b);
            Assert.All(pair.Sequences, AssertTokensAreTheDocuments);
        });
    }

    [Fact]
    public void Corruption_IsOfATenth_AndNeverHidden()
    {
        var (corrupted, all, kinds) = (0, 0, new HashSet<string>());
        foreach (var sequence in Sample(Objective.TokenCorruption).SelectMany(example => example.Sequences))
        {
            var targets = sequence.Classes[Objective.TokenCorruption];
            var (segment, original) = (sequence.Segments.Single(), Original(sequence));
            var document = _corpus.Value.Read(segment.Document).Tokens;
            var differs = 0;
            for (var i = 0; i < targets.Positions.Length; i++)
            {
                Assert.False(targets.Values[i] == 1 && sequence.Positions.Contains(targets.Positions[i]));
                differs += original[targets.Positions[i]] == document[segment.First + i] ? 0 : 1;
            }

            corrupted += targets.Values.Sum();
            all += targets.Values.Length;
            Assert.InRange(targets.Values.Sum(), 0, Math.Max(2, (int)Math.Round(0.1 * targets.Values.Length)));
            var ofDocument = document.Skip(segment.First).Take(segment.Count).Concat([2, 3]);
            var isPermuted = original.Order().SequenceEqual(ofDocument.Order());
            kinds.Add(differs > 4 ? "inserted" : isPermuted ? "permuted" : "replaced");
        }

        Assert.InRange((double)corrupted / all, 0.07, 0.11); // A random or moved token may be the right one.
        Assert.Equal(3, kinds.Count);
    }

    [Fact]
    public void Corruption_OfHalfTheInputs_LeavesTheOthersAsTheyAre()
    {
        foreach (var sequence in Sample(Objective.SentenceCorruption).SelectMany(example => example.Sequences))
        {
            if (sequence.Classes[Objective.SentenceCorruption].Values.Single() == 0)
                AssertTokensAreTheDocuments(sequence);
        }
    }

    [Fact]
    public void Trigrams_CanBePutInOrderAgain()
    {
        int[][] orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        var counts = new int[6];
        foreach (var sequence in Sample(Objective.TrigramShuffling).SelectMany(example => example.Sequences))
        {
            var targets = sequence.Classes[Objective.TrigramShuffling];
            int[] ids = Original(sequence);
            foreach (var (middle, order) in targets.Positions.Zip(targets.Values))
            {
                counts[order]++;
                int[] seen = ids[(middle - 1)..(middle + 2)];
                for (var i = 0; i < 3; i++)
                {
                    ids[middle - 1 + orders[order][i]] = seen[i];
                    Assert.DoesNotContain(middle - 1 + i, sequence.Positions);
                }
            }

            Assert.Equal(Text(sequence.Segments), ids.Where((_, at) => IsText(sequence, at)));
        }

        var mean = counts.Sum() / 6.0;
        // At 1e-4, 5 degrees of freedom.
        Assert.True(counts.Sum(count => Math.Pow(count - mean, 2) / mean) < 25.7, string.Join(' ', counts));
    }

    /// <summary>Numbers and capitals are those of the document, also where a token is hidden.</summary>
    [Fact]
    public void Targets_AreOfTheUnmaskedDocument()
    {
        var objectives = new HashSet<Objective>
        {
            Objective.TermFrequency, Objective.TermImportance, Objective.TokenLength, Objective.Capitalization
        };
        for (var i = 0; i < 200; i++)
        {
            var sequence = _sampler.Sample(i % _sampler.Spans.Count, objectives, key: (ulong)i).Sequences.Single();
            var segment = sequence.Segments.Single();
            var document = _corpus.Value.Read(segment.Document);
            var part = new System.Range(segment.First, segment.First + segment.Count);
            Assert.Equal(Enumerable.Range(1, segment.Count), sequence.Numbers[Objective.TermFrequency].Positions);
            Assert.Equal(TermWeights.TermFrequency(document)[part], sequence.Numbers[Objective.TermFrequency].Values);
            Assert.Equal(
                TermWeights.TermImportance(document, _corpus.Value)[part],
                sequence.Numbers[Objective.TermImportance].Values);
            Assert.Equal(
                document.Tokens[part].Select(token => (float)Story.Words[token].Length),
                sequence.Numbers[Objective.TokenLength].Values);
            Assert.Equal(
                document.Capitals[part].Select(isCapital => isCapital ? 1 : 0),
                sequence.Classes[Objective.Capitalization].Values);
            Assert.NotEmpty(sequence.Positions);
        }
    }

    [Fact]
    public void Spans_StayWithinTheirDocument_AndShortOnesAreShort()
    {
        using var corpus = new TextCorpus([Words(25, "aa"), Words(5, "bb"), Words(10, "cc"), ""], Story.Tokenizer);
        var sampler = new ExampleSampler(corpus.Value, Story.Words, length: 12);
        // The last 5 of the first are too few.
        Assert.Equal([new(0, 0, 10), new(0, 10, 10), new(2, 0, 10)], sampler.Spans);
        Assert.Throws<ArgumentException>(() => new ExampleSampler(corpus.Value, Story.Words, length: 9));
        using var few = new TextCorpus([Words(5, "bb")], Story.Tokenizer);
        Assert.Throws<ArgumentException>(() => new ExampleSampler(few.Value, Story.Words, length: 12));

        var shortened = new ExampleSampler(_corpus.Value, Story.Words, Length, shortSequences: 0.3);
        var lengths = Enumerable.Range(0, 3000).Select(i =>
        {
            var span = i % shortened.Spans.Count;
            var sequence = shortened.Sample(span, new HashSet<Objective>(), (ulong)i).Sequences[0];
            return (double)sequence.Segments[0].Count / shortened.Spans[span].Count;
        }).ToList();
        // Some of the 30% draw the whole length.
        Assert.InRange(lengths.Count(length => length < 1) / 3000.0, 0.22, 0.32);

        static string Words(int count, string word) => string.Join(' ', Enumerable.Repeat(word, count));
    }

    /// <summary>Two masks of 15% have 2.25% of the positions in common.</summary>
    [Fact]
    public void Masks_OfTwoKeys_Differ()
    {
        var (both, all) = (0, 0);
        for (var i = 0; i < 3000; i++)
        {
            var span = i % _sampler.Spans.Count;
            int[] first = Positions((ulong)i), second = Positions((ulong)i + 1_000_000);
            both += first.Intersect(second).Count();
            all += _sampler.Spans[span].Count;
            Assert.Equal(first, Positions((ulong)i));

            int[] Positions(ulong key) => _sampler.Sample(
                span, new HashSet<Objective> { Objective.MaskedLanguageModel }, key).Sequences[0].Positions;
        }

        Assert.InRange((double)both / all, 0.0195, 0.0255);
    }

    [Fact]
    public void Cuts_FollowTheDiscretizedNormal()
    {
        double[] expected = [.0066, .1942, .5983, .1942, .0066];
        Assert.All(
            expected.Zip(SplitPoints.Distribution(5, 2, 1)), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
        for (var key = 0UL; key < 500; key++)
        {
            var cuts = SplitPoints.Draw(5, 3, key);
            Assert.True(cuts[0] >= 1 && cuts[1] > cuts[0] && cuts[1] <= 4);
        }

        Assert.Equal([1], SplitPoints.Draw(2, 2, 9));
    }

    public void Dispose() => _corpus.Dispose();

    private IEnumerable<PretrainingExample> Sample(Objective objective)
    {
        var objectives = new HashSet<Objective> { Objective.MaskedLanguageModel, objective };
        return Enumerable.Range(0, Samples).Select(
            i => _sampler.Sample(i % _sampler.Spans.Count, objectives, key: (ulong)i));
    }

    /// <summary>Where a text breaks off must not tell how it was arranged.</summary>
    private void AssertIsWholeSentences(Segment segment)
    {
        int[] ends = _corpus.Value.Read(segment.Document).SentenceEnds;
        Assert.Contains(segment.First, ends.Prepend(0));
        Assert.Contains(segment.First + segment.Count, ends);
    }

    private IEnumerable<int> Text(IEnumerable<Segment> segments) =>
        segments.SelectMany(
            segment => _corpus.Value.Read(segment.Document).Tokens.Skip(segment.First).Take(segment.Count));

    private void AssertTokensAreTheDocuments(PretrainingSequence sequence) =>
        Assert.Equal(Text(sequence.Segments), Original(sequence).Where((_, at) => IsText(sequence, at)));

    private static bool IsText(PretrainingSequence sequence, int at) =>
        sequence.Sequence.Tokens[at].Source == Serving.Text.Bert.TokenSource.Text;

    /// <summary>The tokens with what is hidden put back.</summary>
    private static int[] Original(PretrainingSequence sequence)
    {
        int[] ids = [.. sequence.Sequence.Tokens.Select(token => token.Id)];
        Assert.All(
            ids.Index().Where(token => token.Item == Mask), token => Assert.Contains(token.Index, sequence.Positions));
        foreach (var (position, label) in sequence.Positions.Zip(sequence.Labels))
            ids[position] = label;
        return ids;
    }
}
