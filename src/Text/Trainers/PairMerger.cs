using System.Runtime.InteropServices;

namespace Serving.Text.Trainers;

/// <summary>Joins the most frequent pair of adjacent symbols, repeatedly (Sennrich et al. 2016, alg. 1).</summary>
/// <remarks>Equally frequent pairs go by the text of their symbols, so that a corpus gives one result.</remarks>
internal sealed class PairMerger
{
    private readonly List<string> _symbols = [];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly List<(List<int> Symbols, long Count)> _words = [];
    private readonly Dictionary<(int Left, int Right), long> _counts = [];
    private readonly Dictionary<(int Left, int Right), HashSet<int>> _wordsOfPair = [];
    private readonly PriorityQueue<(int Left, int Right, long Count), (long NegativeCount, Pair Text)> _queue = new();

    /// <summary>Adds a word and how often it came, before any merge.</summary>
    public void Add(IEnumerable<string> symbols, long count)
    {
        var word = _words.Count;
        List<int> ids = [.. symbols.Select(Id)];
        _words.Add((ids, count));
        for (var i = 0; i + 1 < ids.Count; i++)
            Count((ids[i], ids[i + 1]), count, word);
    }

    /// <summary>Joins pairs until none comes often enough.</summary>
    /// <param name="join">The text of two symbols joined.</param>
    /// <param name="minCount">A pair must come so often.</param>
    /// <returns>Left, right and joined, one merge after another; stop asking when there are enough.</returns>
    public IEnumerable<(string Left, string Right, string Joined)> Merge(
        Func<string, string, string> join, long minCount)
    {
        foreach (var pair in _counts.Keys)
            Enqueue(pair);
        while (_queue.TryDequeue(out var best, out _))
        {
            var pair = (best.Left, best.Right);
            if (_counts.GetValueOrDefault(pair) != best.Count)
                continue; // Its count has changed since; the new one is in the queue too.
            if (best.Count < minCount)
                yield break;
            var joined = join(_symbols[best.Left], _symbols[best.Right]);
            Join(pair, Id(joined));
            yield return (_symbols[best.Left], _symbols[best.Right], joined);
        }
    }

    private int Id(string symbol)
    {
        ref var id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, symbol, out var exists);
        if (!exists)
        {
            id = _symbols.Count;
            _symbols.Add(symbol);
        }

        return id;
    }

    private void Count((int Left, int Right) pair, long change, int word)
    {
        CollectionsMarshal.GetValueRefOrAddDefault(_counts, pair, out _) += change;
        ref var words = ref CollectionsMarshal.GetValueRefOrAddDefault(_wordsOfPair, pair, out _);
        (words ??= []).Add(word);
    }

    private void Enqueue((int Left, int Right) pair)
    {
        var count = _counts[pair];
        if (count > 0)
            _queue.Enqueue((pair.Left, pair.Right, count), (-count, new(_symbols[pair.Left], _symbols[pair.Right])));
    }

    private void Join((int Left, int Right) pair, int joined)
    {
        var changed = new HashSet<(int, int)>();
        foreach (var word in _wordsOfPair[pair].Order().ToArray())
        {
            var (symbols, count) = _words[word];
            for (var i = 0; i + 1 < symbols.Count; i++)
            {
                if (symbols[i] != pair.Left || symbols[i + 1] != pair.Right)
                    continue;
                if (i > 0)
                    Replace((symbols[i - 1], pair.Left), (symbols[i - 1], joined), count, word, changed);
                if (i + 2 < symbols.Count)
                    Replace((pair.Right, symbols[i + 2]), (joined, symbols[i + 2]), count, word, changed);
                symbols[i] = joined;
                symbols.RemoveAt(i + 1);
            }
        }

        _counts.Remove(pair);
        _wordsOfPair.Remove(pair);
        changed.Remove(pair);
        foreach (var other in changed)
            Enqueue(other);
    }

    private void Replace(
        (int Left, int Right) old, (int Left, int Right) made, long count, int word, HashSet<(int, int)> changed)
    {
        Count(old, -count, word);
        Count(made, count, word);
        changed.Add(old);
        changed.Add(made);
    }

    /// <summary>Orders pairs by their text.</summary>
    private readonly record struct Pair(string Left, string Right) : IComparable<Pair>
    {
        public int CompareTo(Pair other)
        {
            var left = string.CompareOrdinal(Left, other.Left);
            return left != 0 ? left : string.CompareOrdinal(Right, other.Right);
        }
    }
}
