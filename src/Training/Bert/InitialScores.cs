using Serving.Tensors;

namespace Serving.Training.Bert;

/// <summary>How the scores of a mask begin, see <see cref="ScoreInitialization"/>.</summary>
internal static class InitialScores
{
    /// <param name="weight">[rows, columns], what is masked.</param>
    /// <returns>[rows, columns], row-major</returns>
    public static float[] Draw(MaskSettings settings, Tensor weight, ulong key)
    {
        var values = new float[weight.Rows * weight.Columns];
        if (settings.Initialization == ScoreInitialization.Uniform)
        {
            // P(score at or below the threshold) = (threshold + scale) / (width) = the sparsity asked for.
            var lowest = settings.InitialSparsity > 0 ? -settings.Scale : settings.Threshold + settings.Scale;
            var width = settings.InitialSparsity > 0
                ? (settings.Scale + settings.Threshold) / settings.InitialSparsity
                : settings.Scale;
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)(lowest + (width * CounterRandom.Uniform(key, (ulong)i)));
            return values;
        }

        values.AsSpan().Fill(2 * settings.Threshold);
        var weights = weight.ToArray();
        int[] order = [.. Enumerable.Range(0, weights.Length).OrderBy(i => Math.Abs(weights[i])).ThenBy(i => i)];
        foreach (var i in order[..(int)Math.Round(settings.InitialSparsity * weights.Length)])
            values[i] = 0f;
        return values;
    }
}
