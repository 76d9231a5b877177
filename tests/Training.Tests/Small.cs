using Serving.Models.Bert;
using Serving.Models.Parameters;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Text.Bert;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Tests;

/// <summary>A small BERT and random sequences for it.</summary>
internal static class Small
{
    public const int Labels = 3;

    public static BertConfig Config { get; } =
        new() { Vocab = 40, Hidden = 24, Layers = 3, Heads = 3, Inner = 40, MaxPositions = 16 };

    public static CpuBackend Backend(int threads = 2) => new(threads);

    public static BertModel Model(TrainingBackend backend, ulong seed = 1) =>
        BertModel.Load(backend, Config, new LargerWeights(new InitialParameters(seed)));

    /// <summary>Sequences of 2 to 12 tokens; the third token of each is its label, if it has one.</summary>
    public static List<(TokenSequence Sequence, int Label)> Examples(int count, ulong seed)
    {
        var key = CounterRandom.Key(seed, 99);
        return
        [
            .. Enumerable.Range(0, count).Select(i =>
            {
                var length = 4 + (int)(CounterRandom.Uniform(key, (ulong)i * 100) * 9);
                Token[] tokens = [.. Enumerable.Range(0, length).Select(position =>
                    new Token(
                        4 + (int)(CounterRandom.Uniform(key, ((ulong)i * 100) + (ulong)position + 1) * 30),
                        position > 6 ? 1 : 0, TokenSource.Text, default))];
                var label = (int)(CounterRandom.Uniform(key, ((ulong)i * 100) + 50) * Labels);
                tokens[0] = tokens[0] with { Id = 2 };
                tokens[2] = tokens[2] with { Id = 34 + label };
                return (new TokenSequence(tokens, DroppedTokens: 0), label);
            })
        ];
    }

    /// <summary>Forward and backward pass of the mean cross-entropy; gradients add up, the tape is reset.</summary>
    public static double Step(
        Tape tape,
        BertModel model,
        ClassifierHead head,
        BertScores? masks,
        IReadOnlyList<(TokenSequence Sequence, int Label)> examples,
        DropoutKeys dropout,
        int? of = null,
        Pooling pooling = Pooling.Pooler)
    {
        var batch = new SequenceBatch([.. examples.Select(example => example.Sequence)]);
        var logits = head.Forward(tape, model.Vectors(tape, batch, pooling, masks, dropout), dropout);
        int[] labels = [.. examples.Select(example => example.Label)];
        var loss = tape.SoftmaxCrossEntropy(logits, labels, 1f / (of ?? labels.Length)) / labels.Length;
        tape.Backward();
        tape.Reset();
        return loss;
    }

    /// <summary>Weights ten times as large as BERT's first ones, so that nothing is nearly linear.</summary>
    private sealed class LargerWeights(IParameterSource inner) : IParameterSource
    {
        public void Read(string name, int rows, int columns, int firstRow, Span<float> values)
        {
            inner.Read(name, rows, columns, firstRow, values);
            if (name.Contains("LayerNorm", StringComparison.Ordinal))
                return;
            foreach (ref var value in values)
                value *= 10;
        }
    }
}
