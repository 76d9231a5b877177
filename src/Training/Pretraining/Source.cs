namespace Serving.Training.Pretraining;

/// <summary>A document that an example is made from; its term weights are computed on demand.</summary>
internal sealed class Source(Corpus corpus, int number)
{
    private float[]? _frequencies;
    private float[]? _importances;

    public int Number => number;

    public Document Value { get; } = corpus.Read(number);

    /// <summary>One for each token.</summary>
    public float[] Frequencies => _frequencies ??= TermWeights.TermFrequency(Value);

    /// <summary>One for each token.</summary>
    public float[] Importances => _importances ??= TermWeights.TermImportance(Value, corpus);
}
