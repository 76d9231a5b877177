using System.Globalization;

namespace Serving.Decoding;

/// <summary>The ranges of <see cref="SamplingOptions"/>.</summary>
internal static class SamplingChecks
{
    private const double MostTemperature = 1000;
    private const double MostRepetitionPenalty = 100;
    private const double MostAdded = 100; // Far above what any logit needs; keeps sums finite.
    private const int MostNgram = 1000;
    private const int MostBadWords = 10_000;
    private const int MostBadWordTokens = 100;
    private const int MostStops = 16;
    private const int MostStopCharacters = 1000;

    /// <returns>All that are out of range.</returns>
    public static IReadOnlyList<SamplingViolation> Find(SamplingOptions options, int vocab)
    {
        var found = new List<SamplingViolation>();
        Range(nameof(options.Temperature), options.Temperature, 0, MostTemperature);
        Range(nameof(options.TopK), options.TopK, 0, int.MaxValue);
        Fraction(nameof(options.TopP), options.TopP);
        Range(nameof(options.MinP), options.MinP, 0, 1);
        Fraction(nameof(options.TypicalP), options.TypicalP);
        Range(nameof(options.EpsilonCutoff), options.EpsilonCutoff, 0, 1);
        Range(nameof(options.EtaCutoff), options.EtaCutoff, 0, 1);
        Range(
            nameof(options.RepetitionPenalty), options.RepetitionPenalty, 1 / MostRepetitionPenalty,
            MostRepetitionPenalty);
        Range(nameof(options.PresencePenalty), options.PresencePenalty, -MostAdded, MostAdded);
        Range(nameof(options.FrequencyPenalty), options.FrequencyPenalty, -MostAdded, MostAdded);
        Range(nameof(options.NoRepeatNgramSize), options.NoRepeatNgramSize, 0, MostNgram);
        Range(nameof(options.MaxTokens), options.MaxTokens, 1, int.MaxValue);
        if (options.MaxTokens >= 1)
            Range(nameof(options.MinTokens), options.MinTokens, 0, options.MaxTokens, "MaxTokens, ");
        Range(
            nameof(options.TopLogProbabilities), options.TopLogProbabilities, 0,
            SamplingOptions.MostTopLogProbabilities);
        foreach (var (token, bias) in options.LogitBias)
        {
            Token($"{nameof(options.LogitBias)}[{token}]", token);
            Range($"{nameof(options.LogitBias)}[{token}]", bias, -MostAdded, MostAdded);
        }

        for (var i = 0; i < options.StopTokens.Count; i++)
            Token($"{nameof(options.StopTokens)}[{i}]", options.StopTokens[i]);
        BadWords();
        if (options.Stop.Count > MostStops)
            Add(nameof(options.Stop), $"{options.Stop.Count} strings", $"have at most {MostStops}");
        for (var i = 0; i < options.Stop.Count && i < MostStops; i++)
        {
            if (options.Stop[i].Length is 0 or > MostStopCharacters)
            {
                Add(
                    $"{nameof(options.Stop)}[{i}]", $"{options.Stop[i].Length} characters",
                    $"have 1 to {MostStopCharacters}");
            }
        }

        return found;

        void BadWords()
        {
            if (options.BadWords.Count > MostBadWords)
                Add(nameof(options.BadWords), $"{options.BadWords.Count} sequences", $"have at most {MostBadWords}");
            for (var i = 0; i < options.BadWords.Count && i < MostBadWords; i++)
            {
                var name = $"{nameof(options.BadWords)}[{i}]";
                var word = options.BadWords[i];
                if (word.Count is 0 or > MostBadWordTokens)
                    Add(name, $"{word.Count} tokens", $"have 1 to {MostBadWordTokens}");
                foreach (var token in word.Take(MostBadWordTokens))
                    Token(name, token);
            }
        }

        void Range(string name, double value, double least, double most, string what = "")
        {
            if (!(value >= least && value <= most)) // NaN is out of any range.
                Add(name, Text(value), $"be {Text(least)} to {what}{Text(most)}");
        }

        void Fraction(string name, double value)
        {
            if (!(value > 0 && value <= 1))
                Add(name, Text(value), "be above 0, and 1 at most; 1 turns it off");
        }

        void Token(string name, int token)
        {
            if ((uint)token >= (uint)vocab)
                Add(name, $"token {token}", $"be one of the model's, 0 to {vocab - 1}");
        }

        void Add(string name, string value, string needed) => found.Add(new(name, $"It is {value}; it must {needed}."));
    }

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
