using Serving.Tensors;

namespace Serving.Training.Pretraining;

/// <summary>A text, or two with the label of how they are arranged; each with its document.</summary>
/// <param name="Label">Null where there is nothing to tell.</param>
internal sealed record Arrangement(
    Source[] Sources, Segment[] Segments, (Objective Objective, int Label)? Label = null);

/// <summary>Cuts texts into segments of whole sentences and arranges two of them.</summary>
/// <param name="length">The most tokens of a sequence, special ones included.</param>
internal sealed class SegmentArranger(Corpus corpus, int length)
{
    private const int MostSpecialTokens = 3; // Of two segments.

    /// <summary>Groups the whole sentences that fit, from the first that begins in a part; null if too few.</summary>
    /// <remarks>They may end after the part. Half sentences would reveal the order of the segments.</remarks>
    public Segment[]? Cut(Document document, Segment part, int groups, ulong key)
    {
        var first = part.First == 0
            ? 0
            : document.SentenceEnds.FirstOrDefault(end => end >= part.First, document.Tokens.Length);
        var last = first + Math.Min(part.Count, length - MostSpecialTokens);
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

    /// <summary>Arranges a part of a document as an objective wants it; leaves it as it is where none can.</summary>
    public Arrangement Arrange(Source document, Segment part, IReadOnlySet<Objective> objectives, ulong key)
    {
        var arrangements = Objectives.Arrangements.Where(objectives.Contains).ToList();
        if (arrangements.Count == 0)
            return new([document], [part]);
        var objective = arrangements[0];
        var groups = objective == Objective.SentenceDistance ? 3 : 2;
        if ((corpus.Documents == 1 && Objectives.Of(objective).NeedsDocuments)
            || Cut(document.Value, part, groups, CounterRandom.Bits(key, 0)) is not { } cut)
            return new([document], [part]);

        var choice = CounterRandom.Uniform(key, 1);
        var isSwapped = CounterRandom.Uniform(key, 2) < 0.5;
        var (first, next) = (cut[0], cut[1]);
        return objective switch
        {
            Objective.SentenceOrder => isSwapped ? Two(0, next, first) : Two(1, first, next),
            Objective.NextSentence => choice < 0.5 ? Two(1, first, next) : WithForeign(0, next.Count),
            Objective.AdjacentSentence => choice >= 2.0 / 3 ? WithForeign(2, next.Count)
                : isSwapped ? Two(1, next, first) : Two(0, first, next),
            _ => (int)(choice * 3) switch
            {
                0 => Two(0, first, next),
                1 => Two(1, first, cut[2]),
                _ => WithForeign(2, cut[2].Count)
            }
        };

        Arrangement Two(int label, Segment left, Segment right) =>
            new([document, document], [left, right], (objective, label));

        Arrangement WithForeign(int label, int count)
        {
            var room = length - MostSpecialTokens - first.Count;
            var (foreign, segment) = Foreign(document.Number, room, count, key);
            return new([document, foreign], [first, segment], (objective, label));
        }
    }

    /// <summary>Sentences of another document.</summary>
    /// <param name="room">The most tokens.</param>
    /// <param name="count">How many tokens there should be, about.</param>
    private (Source Source, Segment Segment) Foreign(int document, int room, int count, ulong key)
    {
        var other = (int)(CounterRandom.Uniform(key, 3) * (corpus.Documents - 1));
        var foreign = new Source(corpus, other >= document ? other + 1 : other);
        var ends = foreign.Value.SentenceEnds;
        int[] fitting =
            [.. Enumerable.Range(0, ends.Length).Where(sentence => ends[sentence] - Start(sentence) <= room)];
        var start = fitting.Length == 0 ? 0 : Start(fitting[(int)(CounterRandom.Uniform(key, 4) * fitting.Length)]);
        // In case all its sentences are too long.
        var ifTooLong = start + Math.Min(count, foreign.Value.Tokens.Length - start);
        var end = ends.Where(end => end > start && end - start <= room)
            .OrderBy(end => Math.Abs(end - start - count)).FirstOrDefault(ifTooLong);
        return (foreign, new(foreign.Number, start, end - start));

        int Start(int sentence) => sentence == 0 ? 0 : ends[sentence - 1];
    }
}
