namespace Serving.Decoding.Tests;

/// <summary>The slow, obvious twin of candidates: sorts the vocabulary for each step.</summary>
internal static class SortedTwin
{
    /// <returns>What each token that can be drawn is drawn with, by id.</returns>
    public static SortedDictionary<int, double> Probabilities(float[] logits, SamplingOptions options)
    {
        var largest = logits.Max();
        var tokens = logits.Select((logit, id) => new Token(id, logit, Weight(logit)))
            .Where(token => token.Logit > float.NegativeInfinity)
            .OrderByDescending(token => token.Logit).ThenBy(token => token.Id).ToList();
        if (options.TopK > 0)
            tokens = [.. tokens.Take(options.TopK)];
        if (options.TopP < 1)
            tokens = UpTo(tokens, options.TopP);
        if (options.MinP > 0)
            tokens = AtLeast(tokens, options.MinP * tokens[0].Weight / Total(tokens));
        if (options.TypicalP < 1)
        {
            var entropy = Entropy(tokens);
            var total = Total(tokens);
            tokens = UpTo(
                [.. tokens.OrderBy(token => Math.Abs(-Math.Log(token.Weight / total) - entropy)).ThenBy(t => t.Id)],
                options.TypicalP);
        }

        if (options.EpsilonCutoff > 0)
            tokens = AtLeast(tokens, options.EpsilonCutoff);
        if (options.EtaCutoff > 0)
        {
            var eta = options.EtaCutoff;
            tokens = AtLeast(tokens, Math.Min(eta, Math.Sqrt(eta) * Math.Exp(-Entropy(tokens))));
        }

        var sum = Total(tokens);
        return new(tokens.ToDictionary(token => token.Id, token => token.Weight / sum));

        double Weight(float logit) => Math.Exp(((double)logit - largest) / options.Temperature);
    }

    private static List<Token> UpTo(List<Token> ordered, double mass)
    {
        var target = mass * Total(ordered);
        var kept = new List<Token>();
        var sum = 0.0;
        foreach (var token in ordered)
        {
            kept.Add(token);
            sum += token.Weight;
            if (sum >= target)
                break;
        }

        return kept;
    }

    private static List<Token> AtLeast(List<Token> tokens, double probability)
    {
        var total = Total(tokens);
        var most = tokens.Max(token => token.Weight);
        return [.. tokens.Where(token => token.Weight / total >= probability || token.Weight == most)];
    }

    private static double Total(List<Token> tokens) => tokens.Sum(token => token.Weight);

    private static double Entropy(List<Token> tokens)
    {
        var total = Total(tokens);
        return -tokens.Where(token => token.Weight > 0)
            .Sum(token => token.Weight / total * Math.Log(token.Weight / total));
    }

    private sealed record Token(int Id, float Logit, double Weight);
}
