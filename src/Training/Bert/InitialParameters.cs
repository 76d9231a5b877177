using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Training.Settings;

namespace Serving.Training.Bert;

/// <summary>How a backbone's first weights are drawn.</summary>
public enum Initialization
{
    /// <summary>From a normal distribution (Devlin et al. 2019, appendix A.2).</summary>
    [Choice("normal")]
    Normal,

    /// <summary>
    /// The same, but position embeddings begin as waves, and the first layer's heads attend to neighbors: the first
    /// head to the token before, the second to the token after, then to those two away, and so on. A small model would
    /// spend most of a short training on learning that.
    /// </summary>
    [Choice("neighbors")]
    Neighbors
}

/// <summary>BERT before any training: weights from a normal distribution, biases 0, norms 1 and 0.</summary>
/// <remarks>A parameter's values depend on the seed and its name alone.</remarks>
/// <param name="config">The shape that is asked for; needed for <see cref="Initialization.Neighbors"/>.</param>
/// <param name="deviation">Of the weights.</param>
public sealed class InitialParameters(
    ulong seed, BertConfig? config = null, Initialization initialization = Initialization.Normal,
    double deviation = InitialParameters.Deviation) : IParameterSource
{
    /// <summary>Of Devlin et al. 2019.</summary>
    public const double Deviation = 0.02;

    /// <summary>The golden ratio's fraction: its multiples spread evenly and never repeat.</summary>
    private const double GoldenRatio = 0.6180339887498949;

    private const double LongestWave = 10_000; // Vaswani et al. 2017, sec. 3.5

    /// <summary>
    /// The gain of queries and keys over the embeddings' waves. Words and waves have the same variance; at this gain
    /// the neighbor's score is about five standard deviations above the noise of words.
    /// </summary>
    private static readonly double Gain = Math.Sqrt(1.5);

    private readonly BertConfig? _config = initialization == Initialization.Normal || config is not null
        ? config
        : throw new ArgumentException("The shape of the model is missing; neighbors are found by it.");

    public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
    {
        if (name.EndsWith(".bias", StringComparison.Ordinal))
        {
            values.Clear();
            return;
        }

        if (name.Contains("LayerNorm", StringComparison.Ordinal))
        {
            values.Fill(1f);
            return;
        }

        var key = CounterRandom.Key(seed, RandomPurposes.Of(name));
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)(deviation * CounterRandom.Normal(key, (ulong)(((long)firstRow * columns) + i)));
        if (initialization == Initialization.Normal)
            return;
        if (name == BertTensors.PositionEmbeddings)
            FillWithWaves(columns, firstRow, values);
        else if (name == BertTensors.Weight(0, BertMatrix.Query))
            AddRotation(columns, firstRow, values, isQuery: true);
        else if (name == BertTensors.Weight(0, BertMatrix.Key))
            AddRotation(columns, firstRow, values, isQuery: false);
    }

    /// <summary>Pairs of elements turn with the position, each pair at its own speed: cos, sin.</summary>
    private void FillWithWaves(int columns, int firstRow, Span<float> values)
    {
        for (var i = 0; i < values.Length; i++)
        {
            var column = i % columns;
            var angle = (firstRow + (i / columns)) * Speed(column / 2, columns);
            values[i] = (float)(deviation * Math.Sqrt(2) * (column % 2 == 0 ? Math.Cos(angle) : Math.Sin(angle)));
        }
    }

    /// <summary>
    /// Each pair of a head's outputs reads one pair of a position's waves. Queries rotate it to the neighbor's
    /// position, so that query and key agree there and nowhere else.
    /// </summary>
    private void AddRotation(int columns, int firstRow, Span<float> values, bool isQuery)
    {
        var perHead = columns / _config!.Heads;
        for (var i = 0; i < values.Length / columns; i++)
        {
            var (head, output) = Math.DivRem(firstRow + i, perHead);
            var pair = output / 2;
            if ((2 * pair) + 1 >= perHead)
                continue; // No pair is left for an odd one.
            var angle = isQuery ? Offset(head) * Speed(pair, columns) : 0;
            var row = values.Slice((i * columns) + (2 * pair), 2);
            row[0] += (float)(Gain * (output % 2 == 0 ? Math.Cos(angle) : Math.Sin(angle)));
            row[1] += (float)(Gain * (output % 2 == 0 ? -Math.Sin(angle) : Math.Cos(angle)));
        }
    }

    /// <returns>-1, 1, -2, 2, ...</returns>
    private static int Offset(int head) => head % 2 == 0 ? -1 - (head / 2) : 1 + (head / 2);

    /// <summary>Radians per position. Heads read pairs of all speeds, so that only one distance agrees.</summary>
    private double Speed(int pair, int columns) => pair < columns / _config!.Heads / 2
        ? Math.PI * ((pair + 1) * GoldenRatio % 1)
        : Math.Pow(LongestWave, -2.0 * pair / columns);
}
