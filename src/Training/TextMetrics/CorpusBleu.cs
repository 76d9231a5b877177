namespace Serving.Training.TextMetrics;

/// <summary>
/// How much of texts is found in references: BLEU of a corpus (Papineni et al. 2002, sec. 2.2.2), n-grams of 1 to n
/// tokens equally weighted, each counted as often as one reference has it.
/// </summary>
/// <remarks>For texts as long as the references, which no penalty of brevity applies to.</remarks>
public sealed class CorpusBleu
{
    private readonly Dictionary<int[], int>[] _most;
    private readonly Dictionary<ReadOnlyMemory<int>, int[]> _common = [];

    /// <param name="references">Any of them may have an n-gram.</param>
    /// <param name="n">4 is usual.</param>
    public CorpusBleu(IReadOnlyList<ReadOnlyMemory<int>> references, int n)
    {
        _most = [.. Enumerable.Range(1, n).Select(_ => new Dictionary<int[], int>(NGrams.Comparer))];
        foreach (var reference in references)
        {
            for (var order = 1; order <= n; order++)
            {
                foreach (var (gram, count) in NGrams.Count(NGrams.Of(reference, order)))
                    _most[order - 1][gram] = Math.Max(count, _most[order - 1].GetValueOrDefault(gram));
            }
        }
    }

    /// <summary>0 to 1; 0 where an order of n-grams has nothing in common with the references.</summary>
    /// <param name="texts">Each is counted once, and what was counted is kept for texts in the same memory.</param>
    public double Of(IReadOnlyList<ReadOnlyMemory<int>> texts)
    {
        var logarithm = 0.0;
        for (var order = 1; order <= _most.Length; order++)
        {
            var (common, all) = (0L, 0L);
            foreach (var text in texts)
            {
                common += Common(text)[order - 1];
                all += Math.Max(0, text.Length - order + 1);
            }

            logarithm += Math.Log((double)common / all) / _most.Length;
        }

        return double.IsNaN(logarithm) ? 0 : Math.Exp(logarithm);
    }

    private int[] Common(ReadOnlyMemory<int> text)
    {
        if (!_common.TryGetValue(text, out var common))
        {
            common = [.. _most.Select((most, i) => NGrams.Count(NGrams.Of(text, i + 1)).Sum(
                gram => Math.Min(gram.Value, most.GetValueOrDefault(gram.Key))))];
            _common.Add(text, common);
        }

        return common;
    }
}
