using Serving.Decoding.Beams;

namespace Serving.Testing;

/// <summary>Beam search as transformers' BeamSearchScorer does it, with whole lists in double and no slots.</summary>
internal static class PlainBeamSearch
{
    /// <param name="logits">Behind all tokens.</param>
    public static List<(int[] Tokens, double Score)> Run(
        BeamOptions options, int[] prompt, int maxTokens, int end, Func<int[], double[]> logits)
    {
        var complete = new List<(int[] Tokens, double Score)>();
        List<(int[] Tokens, double Sum)> beams = [([], 0)];
        for (var length = 1; length <= maxTokens; length++)
        {
            var all = beams.SelectMany(beam => LogProbabilities(logits([.. prompt, .. beam.Tokens]))
                .Select((value, token) => (Tokens: (int[])[.. beam.Tokens, token], Sum: beam.Sum + value)))
                .OrderByDescending(text => text.Sum).Take(2 * options.Count).ToList();
            beams = [];
            for (var rank = 0; rank < all.Count && beams.Count < options.Count; rank++)
            {
                if (all[rank].Tokens[^1] != end)
                    beams.Add(all[rank]);
                else if (rank < options.Count)
                    Complete(all[rank].Tokens, all[rank].Sum);
            }

            if (IsDone(all[0].Sum, length) || beams.Count == 0)
                return complete;
        }

        foreach (var (tokens, sum) in beams)
            Complete(tokens, sum);
        return complete;

        void Complete(int[] tokens, double sum)
        {
            complete.Add((tokens, sum / Math.Pow(tokens.Length, options.LengthPenalty)));
            complete = [.. complete.OrderByDescending(text => text.Score).Take(options.Count)];
        }

        bool IsDone(double best, int length)
        {
            if (complete.Count < options.Count)
                return false;
            var attainable = options.EarlyStopping == EarlyStopping.WhenCertain && options.LengthPenalty > 0
                ? best / Math.Pow(maxTokens, options.LengthPenalty)
                : best / Math.Pow(length, options.LengthPenalty);
            return options.EarlyStopping == EarlyStopping.AtOnce || complete[^1].Score >= attainable;
        }
    }

    private static double[] LogProbabilities(double[] logits)
    {
        var logSum = Math.Log(logits.Sum(Math.Exp));
        return Array.ConvertAll(logits, logit => logit - logSum);
    }
}
