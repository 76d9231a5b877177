namespace Serving.Training.Recipes;

/// <summary>
/// Holds out a share of each label's rows, as nearly as equal texts that stay together let it be: at least one row in
/// all, and no label's last ones.
/// </summary>
/// <remarks>
/// Texts, rather than rows, are chosen; one belongs to the label that most of its rows have. In the order of their
/// hashes, which is random, they are taken until the label's share is full.
/// </remarks>
internal sealed class StratifiedSplit
{
    private readonly int[] _rows;
    private readonly int[] _labels;
    private readonly List<Text> _texts = [];
    private readonly long[] _learned;

    /// <param name="texts">A hash of each row's text.</param>
    /// <param name="labels">Of each row, from 0.</param>
    public StratifiedSplit(ulong[] texts, int[] labels)
    {
        _labels = labels;
        _rows = [.. Enumerable.Range(0, texts.Length)];
        Array.Sort(texts, _rows);
        _learned = new long[labels.DefaultIfEmpty(-1).Max() + 1];
        foreach (var label in labels)
            _learned[label]++;
        for (var begin = 0; begin < texts.Length;)
        {
            var end = begin + 1;
            while (end < texts.Length && texts[end] == texts[begin])
                end++;
            _texts.Add(new(begin, end, LabelOf(begin, end)));
            begin = end;
        }
    }

    /// <param name="share">Above 0 and below 1.</param>
    /// <returns>Whether each row is held out; null if no text can be without a label's last rows.</returns>
    public bool[]? Choose(double share)
    {
        if (_texts.Count < 2)
            return null;
        var chosen = Take(Shares(share));
        GiveBackLastRows(chosen);
        if (!chosen.Contains(true) && !TakeSmallest(chosen))
            return null;
        var result = new bool[_rows.Length];
        foreach (var (i, text) in _texts.Index())
        {
            foreach (var row in RowsOf(text))
                result[row] = chosen[i];
        }

        return result;
    }

    /// <summary>Rows of each label to hold out: rounded so that they add up to the share of all rows.</summary>
    private long[] Shares(double share)
    {
        var (rows, texts) = (new long[_learned.Length], new long[_learned.Length]);
        foreach (var text in _texts)
        {
            rows[text.Label] += text.Length;
            texts[text.Label]++;
        }

        var shares = new long[rows.Length];
        List<int> divisible = [.. Enumerable.Range(0, rows.Length).Where(label => texts[label] > 1)];
        foreach (var label in divisible)
            shares[label] = (long)(share * rows[label]);
        var left = Math.Clamp((long)Math.Round(share * _rows.Length), 1, _rows.Length - 1) - shares.Sum();
        var nearest = divisible.OrderByDescending(label => share * rows[label] % 1);
        foreach (var label in nearest.Take((int)Math.Max(0, left)))
            shares[label]++;
        return shares;
    }

    /// <returns>Whether each text is held out.</returns>
    private bool[] Take(long[] shares)
    {
        var chosen = new bool[_texts.Count];
        var left = new long[shares.Length];
        foreach (var text in _texts)
            left[text.Label]++;
        foreach (var (i, text) in _texts.Index())
        {
            if (text.Length > shares[text.Label] || left[text.Label] == 1)
                continue;
            shares[text.Label] -= text.Length;
            left[text.Label]--;
            Move(i, chosen);
        }

        return chosen;
    }

    /// <summary>A label whose rows were all of texts that belong to other labels gets one of these back.</summary>
    private void GiveBackLastRows(bool[] chosen)
    {
        for (var i = _texts.Count - 1; i >= 0; i--)
        {
            if (chosen[i] && RowsOf(_texts[i]).ToArray().Any(row => _learned[_labels[row]] == 0))
                Move(i, chosen);
        }
    }

    /// <returns>Whether there is a text that takes no label's last rows.</returns>
    private bool TakeSmallest(bool[] chosen)
    {
        foreach (var i in Enumerable.Range(0, _texts.Count).OrderBy(i => _texts[i].Length))
        {
            Move(i, chosen);
            if (RowsOf(_texts[i]).ToArray().All(row => _learned[_labels[row]] > 0))
                return true;
            Move(i, chosen);
        }

        return false;
    }

    /// <summary>Moves a text to the other side.</summary>
    private void Move(int i, bool[] chosen)
    {
        chosen[i] = !chosen[i];
        foreach (var row in RowsOf(_texts[i]))
            _learned[_labels[row]] += chosen[i] ? -1 : 1;
    }

    private ReadOnlySpan<int> RowsOf(Text text) => _rows.AsSpan(text.Begin, text.Length);

    /// <summary>The label that most rows have; of several the first.</summary>
    private int LabelOf(int begin, int end) => end == begin + 1
        ? _labels[_rows[begin]]
        : Enumerable.Range(begin, end - begin).Select(i => _labels[_rows[i]])
            .CountBy(label => label).OrderByDescending(count => count.Value).ThenBy(count => count.Key).First().Key;

    /// <param name="Label">To which it belongs.</param>
    private readonly record struct Text(int Begin, int End, int Label)
    {
        public int Length => End - Begin;
    }
}
