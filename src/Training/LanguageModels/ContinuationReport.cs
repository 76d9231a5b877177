using Serving.Training.TextMetrics;

namespace Serving.Training.LanguageModels;

/// <summary>Measures of texts of one length.</summary>
public sealed record ContinuationReport
{
    private const int LargestN = 4;

    /// <summary>How they were made.</summary>
    public required string Method { get; init; }

    /// <summary>Of the texts, under the model's whole distribution, whatever it was cut to.</summary>
    public required double Perplexity { get; init; }

    /// <summary>The mean of seq-rep-n, for n from 1 on.</summary>
    public required IReadOnlyList<double> SequenceRepetition { get; init; }

    /// <summary>The share of texts that end in a loop, as the paper and as its code decide it.</summary>
    public required double EndsInPhrase { get; init; }

    public required double EndsInLoop { get; init; }

    /// <summary>Distinct-n, for n from 1 on.</summary>
    public required IReadOnlyList<double> Distinct { get; init; }

    /// <summary>How many different tokens there are.</summary>
    public required int Unique { get; init; }

    /// <summary>Of n-grams of 1 to 4 tokens.</summary>
    public required double SelfBleu { get; init; }

    /// <summary>Null where there are fewer than two different tokens.</summary>
    public required double? Zipf { get; init; }

    /// <param name="texts">At least two.</param>
    /// <param name="loss">Their mean cross-entropy of a token, in nats.</param>
    public static ContinuationReport Of(string method, IReadOnlyList<ReadOnlyMemory<int>> texts, double loss)
    {
        var zipf = Diversity.Zipf(texts);
        return new()
        {
            Method = method,
            Perplexity = Math.Exp(loss),
            SequenceRepetition =
            [
                .. Enumerable.Range(1, LargestN).Select(n => texts.Average(text => Repetition.SequenceRate(text, n)))
            ],
            EndsInPhrase = texts.Average(text => Repetition.EndsInPhrase(text.Span) ? 1.0 : 0),
            EndsInLoop = texts.Average(text => Repetition.EndsInLoop(text.Span) ? 1.0 : 0),
            Distinct = [.. Enumerable.Range(1, LargestN).Select(n => Diversity.Distinct(texts, n))],
            Unique = Diversity.Unique(texts),
            SelfBleu = TextMetrics.SelfBleu.Of(texts, LargestN),
            Zipf = double.IsNaN(zipf) ? null : zipf
        };
    }
}
