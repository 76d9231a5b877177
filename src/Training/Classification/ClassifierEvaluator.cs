using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Optimization;

namespace Serving.Training.Classification;

/// <summary>Logits of examples, by the encoder that serves.</summary>
public static class ClassifierEvaluator
{
    private const int MaxTokens = 2048;

    /// <param name="masks">Null for all weights.</param>
    /// <param name="pooling">What the head sees.</param>
    /// <param name="weight">The head's, [labels, hidden].</param>
    /// <param name="bias">[1, labels]</param>
    /// <returns>[examples][labels], in the examples' order.</returns>
    /// <exception cref="DivergedException">A logit is no finite number.</exception>
    public static List<float[]> Logits(
        TensorBackend backend,
        BertEncoder encoder,
        BertMasks? masks,
        Pooling pooling,
        Tensor weight,
        Tensor bias,
        IReadOnlyList<ClassifierExample> examples,
        CancellationToken cancellationToken)
    {
        var logits = new List<float[]>(examples.Count);
        var room = Math.Max(MaxTokens, encoder.Config.MaxPositions);
        using var workspace = encoder.CreateWorkspace(room, room);
        var batch = new BertBatch();
        for (var next = 0; next < examples.Count;)
        {
            cancellationToken.ThrowIfCancellationRequested();
            batch.Clear();
            while (next < examples.Count && batch.SequenceTokens + examples[next].Sequence.Tokens.Count <= room)
                batch.AddBranch(batch.AddSequence(examples[next++].Sequence), masks, pooling);
            using var output = backend.Allocate(batch.BranchCount, weight.Rows);
            backend.Project(encoder.Forward(batch, workspace), weight, bias, output);
            logits.AddRange(output.ToArray().Chunk(weight.Rows));
        }

        var broken = logits.Index().Where(row => !Array.TrueForAll(row.Item, float.IsFinite)).ToList();
        if (broken.Count > 0)
        {
            var advice = broken.Count < logits.Count
                ? "Look at these rows first."
                : "None is, so look at the weights: the model's, or what too high a learning rate made of them.";
            throw new DivergedException(
                $"The scores of {broken.Count} of {logits.Count} evaluated rows are no finite numbers, first those of "
                + $"row {broken[0].Index + 1}. {advice}");
        }

        return logits;
    }

    /// <summary>How logits agree with what is right.</summary>
    public static EvaluationReport Report(
        ClassifierData data, IReadOnlyList<float[]> logits, IReadOnlyList<ClassifierExample> examples) =>
        data.IsRegression
            ? EvaluationReport.OfNumbers([.. logits.Select(row => row[0])], [.. examples.Select(
                example => example.Target)])
            : EvaluationReport.OfLabels(logits, [.. examples.Select(example => example.Label)]);
}
