using System.Numerics;
using System.Runtime.InteropServices;

namespace Serving.Decoding;

/// <summary>The tokens that can be drawn, in the order of their ids, with their weights. Reusable.</summary>
/// <remarks>
/// A weight is exp((logit - largest) / temperature), in double: the largest is 1, so nothing overflows. Nothing is
/// sorted but the last few among which a cut lies.
/// </remarks>
/// <param name="vocab">The most tokens.</param>
internal sealed class Candidates(int vocab)
{
    /// <summary>Top-k collects so many times k tokens before it drops the lesser ones.</summary>
    private const int RoomPerKept = 4;

    private const int LeastRoom = 256;

    private readonly int[] _ids = new int[vocab];
    private readonly float[] _logits = new float[vocab];
    private readonly double[] _weights = new double[vocab];
    private readonly double[] _keys = new double[vocab];
    private readonly int[] _order = new int[vocab];

    public int Count { get; private set; }

    /// <summary>Sum of the weights.</summary>
    public double Total { get; private set; }

    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    public ReadOnlySpan<float> LogitsOfIds => _logits.AsSpan(0, Count);

    public ReadOnlySpan<double> Weights => _weights.AsSpan(0, Count);

    /// <summary>Room for a number for each token.</summary>
    public Span<double> Keys => _keys.AsSpan(0, Count);

    /// <summary>Takes all tokens that are not banned, or the `topK` with the largest logits.</summary>
    /// <param name="logits">[vocab], the largest finite.</param>
    /// <param name="topK">0 for all.</param>
    public void Load(ReadOnlySpan<float> logits, int topK, double temperature)
    {
        Count = 0;
        if (topK == 0 || topK >= logits.Length)
            LoadAll(logits);
        else
            LoadLargest(logits, topK);
        var largest = float.NegativeInfinity;
        foreach (var logit in LogitsOfIds)
            largest = logit > largest ? logit : largest;
        Exponentials.Fill(LogitsOfIds, largest, temperature, _weights);
        Total = Sum();
    }

    /// <summary>Keeps the tokens whose weight is at least this, and those of the largest logit.</summary>
    public void KeepWeights(double least)
    {
        var kept = 0;
        for (var i = 0; i < Count; i++)
        {
            // Without a branch, which would be guessed wrong at every other token.
            Move(i, kept);
            kept += (_weights[i] >= least) | (_weights[i] == 1) ? 1 : 0;
        }

        Count = kept;
        Total = Sum();
    }

    /// <summary>Keeps the first tokens of an order, up to the one that brings their weights to a sum.</summary>
    /// <param name="keys">For each token; larger ones come first, of equal ones lower ids.</param>
    public void KeepFirst<TKey>(ReadOnlySpan<TKey> keys, double mass)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        var cut = Selection.Cut(keys, Weights, mass, _order);
        KeepUpTo(keys, cut);
        Total = Sum();
    }

    /// <summary>The token at a point of the distribution: where the sum of weights passes u times the total.</summary>
    /// <param name="u">In [0, 1).</param>
    /// <returns>A token whose weight is not 0.</returns>
    public int Draw(double u)
    {
        var rest = u * Total;
        var last = 0;
        for (var i = 0; i < Count; i++)
        {
            if (_weights[i] <= 0)
                continue;
            last = i;
            rest -= _weights[i];
            if (rest < 0)
                break;
        }

        return _ids[last];
    }

    private void LoadAll(ReadOnlySpan<float> logits)
    {
        for (var id = 0; id < logits.Length; id++)
        {
            if (logits[id] > float.NegativeInfinity)
                Add(id, logits[id]);
        }
    }

    private void LoadLargest(ReadOnlySpan<float> logits, int topK)
    {
        var room = (int)Math.Min(vocab, Math.Max((long)RoomPerKept * topK, LeastRoom));
        var threshold = float.NegativeInfinity;
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(logits);
        var id = 0;
        foreach (ref readonly var values in vectors)
        {
            if (Vector.GreaterThanAny(values, new Vector<float>(threshold)))
                Collect(logits, id, id + Vector<float>.Count, topK, room, ref threshold);
            id += Vector<float>.Count;
        }

        Collect(logits, id, logits.Length, topK, room, ref threshold);
        if (Count > topK)
            KeepLargest(topK);
    }

    /// <summary>Adds tokens above the threshold, which is the k-th largest logit as soon as there are many.</summary>
    private void Collect(
        ReadOnlySpan<float> logits, int first, int end, int topK, int room, ref float threshold)
    {
        for (var id = first; id < end; id++)
        {
            if (logits[id] <= threshold)
                continue; // Of equal ones the lower id is there already.
            Add(id, logits[id]);
            if (Count == room && id + 1 < logits.Length)
                threshold = KeepLargest(topK);
        }
    }

    /// <returns>The least logit that is kept.</returns>
    private float KeepLargest(int topK)
    {
        var cut = Selection.Cut(LogitsOfIds, [], topK, _order);
        var least = _logits[cut];
        KeepUpTo(LogitsOfIds, cut);
        return least;
    }

    private void KeepUpTo<TKey>(ReadOnlySpan<TKey> keys, int cut)
        where TKey : struct, IComparisonOperators<TKey, TKey, bool>
    {
        var kept = 0;
        var least = keys[cut];
        for (var i = 0; i < keys.Length; i++)
        {
            var key = keys[i];
            if (key > least || (key == least && i <= cut))
                Move(i, kept++);
        }

        Count = kept;
    }

    private void Add(int id, float logit)
    {
        _ids[Count] = id;
        _logits[Count++] = logit;
    }

    private void Move(int from, int to)
    {
        _ids[to] = _ids[from];
        _logits[to] = _logits[from];
        _weights[to] = _weights[from];
    }

    private double Sum()
    {
        var sum = 0.0;
        foreach (var weight in Weights)
            sum += weight;
        return sum;
    }
}
