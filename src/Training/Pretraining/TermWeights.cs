namespace Serving.Training.Pretraining;

/// <summary>Weights of the terms of a document, from 0 to 10 (Aroca-Ouellette and Rudzicz 2020, sec. 3.1).</summary>
public static class TermWeights
{
    private const double Most = 10;
    private const double Epsilon = 1e-8; // For documents whose terms all weigh the same: 0.

    /// <summary>By how often a token occurs in the document.</summary>
    /// <returns>A weight for each token of the document.</returns>
    public static float[] TermFrequency(Document document) => Rescale(Counts(document), document);

    /// <summary>The same, times the logarithm of documents over documents with the token.</summary>
    public static float[] TermImportance(Document document, Corpus corpus) => Rescale(
        Counts(document).ToDictionary(
            count => count.Key, count => count.Value * corpus.InverseDocumentFrequency(count.Key)), document);

    private static Dictionary<int, double> Counts(Document document)
    {
        var counts = new Dictionary<int, double>();
        foreach (var token in document.Tokens)
            counts[token] = counts.GetValueOrDefault(token) + 1;
        return counts;
    }

    private static float[] Rescale(Dictionary<int, double> weights, Document document)
    {
        var (least, most) = (weights.Values.Min(), weights.Values.Max());
        return [.. document.Tokens.Select(
            token => (float)(Most * (weights[token] - least) / (most - least + Epsilon)))];
    }
}
