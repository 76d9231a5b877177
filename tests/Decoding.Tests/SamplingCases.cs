namespace Serving.Decoding.Tests;

/// <summary>Options with each method alone and with several together.</summary>
internal static class SamplingCases
{
    public static readonly Dictionary<string, SamplingOptions> All = new()
    {
        ["pure"] = new(),
        ["temperature 0.8"] = new() { Temperature = 0.8 },
        ["temperature 2"] = new() { Temperature = 2 },
        ["top-k 5"] = new() { TopK = 5 },
        ["top-p 0.7"] = new() { TopP = 0.7 },
        ["min-p 0.2"] = new() { MinP = 0.2 },
        ["typical-p 0.6"] = new() { TypicalP = 0.6 },
        ["epsilon 0.05"] = new() { EpsilonCutoff = 0.05 },
        ["eta 0.1"] = new() { EtaCutoff = 0.1 },
        ["temperature 1.5, top-k 8, top-p 0.8"] = new() { Temperature = 1.5, TopK = 8, TopP = 0.8 },
        ["top-p 0.9, min-p 0.1, typical-p 0.8"] = new() { TopP = 0.9, MinP = 0.1, TypicalP = 0.8 },
        ["all"] = new()
        {
            Temperature = 1.3,
            TopK = 10,
            TopP = 0.95,
            MinP = 0.02,
            TypicalP = 0.95,
            EpsilonCutoff = 0.01,
            EtaCutoff = 0.01
        }
    };

    public static string[] Names => [.. All.Keys];

    /// <summary>The tokens that can be drawn, with what they are drawn with.</summary>
    public static SortedDictionary<int, double> Probabilities(float[] logits, SamplingOptions options)
    {
        var candidates = new Candidates(logits.Length);
        new SamplingPipeline(options).Select(logits, candidates);
        var kept = new SortedDictionary<int, double>();
        for (var i = 0; i < candidates.Count; i++)
            kept.Add(candidates.Ids[i], candidates.Weights[i] / candidates.Total);
        return kept;
    }
}
