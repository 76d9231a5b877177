using Serving.Models;
using Serving.Models.Bert;
using Serving.Tensors;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Optimization;

namespace Serving.Training.Tests.Bert;

public sealed class BertModelTests
{
    /// <summary>What is evaluated in training is what is served, to the last bit.</summary>
    [Theory]
    [InlineData(false, Pooling.Pooler)]
    [InlineData(true, Pooling.Pooler)]
    [InlineData(true, Pooling.Cls)]
    [InlineData(false, Pooling.Mean)]
    [InlineData(true, Pooling.Mean)]
    public void Vectors_HaveTheBitsOfTheEncoder(bool isMasked, Pooling pooling)
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var scores = BertScores.Create(backend, model, new() { InitialSparsity = 0.3, Layers = [1, 2] }, seed: 5);
        using var encoder = BertEncoder.Load(backend, model.Config, model);
        using var masks = BertMasks.Load(backend, model.Config, new ScoreMasks(scores));
        using var tape = new Tape(backend);
        using var workspace = encoder.CreateWorkspace(1000, 20);
        var examples = Small.Examples(20, seed: 3);
        var batch = new SequenceBatch([.. examples.Select(example => example.Sequence)]);
        var served = new BertBatch();
        foreach (var (sequence, _) in examples)
            served.AddBranch(served.AddSequence(sequence), isMasked ? masks : null, pooling);

        var used = isMasked ? scores : null;
        var pooled = model.Vectors(tape, batch, pooling, used, DropoutKeys.Off).Value.ToArray();

        Assert.Equal(Bits(encoder.Forward(served, workspace).ToArray()), Bits(pooled));
    }

    [Fact]
    public void Read_GivesBackWhatWasLoaded_AndTheSameDigest()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var again = BertModel.Load(backend, model.Config, model);
        using var first = BertEncoder.Load(backend, model.Config, model);
        using var second = BertEncoder.Load(backend, model.Config, again);
        Assert.Equal(first.Digest, second.Digest);
        Assert.Equal(
            "The model has no parameter 'x'.",
            Assert.Throws<ModelFileException>(() => model.Read("x", 1, 1, 0, new float[1])).Message);
        var names = model.Tensors().Select(tensor => tensor.Name).ToList();
        Assert.Equal(5 + 2 + (16 * 3), names.Count);
        Assert.Contains("encoder.layer.2.attention.self.value.bias", names);
    }

    [Fact]
    public void Load_WithAParameterMissing_LeavesNothing()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        var before = backend.AllocatedBytes;
        Assert.Throws<ModelFileException>(() => BertModel.Load(backend, model.Config with { Layers = 4 }, model));
        Assert.Equal(before, backend.AllocatedBytes);
    }

    /// <summary>With all that is random in a step: dropout included.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Training_LearnsTheTask_WithTheSameBitsOnOneAndTwoThreads(bool isMasked)
    {
        var runs = ((int[])[1, 2]).Select(threads => Train(threads, isMasked, steps: isMasked ? 150 : 60)).ToList();

        Assert.Equal(runs[0].Losses, runs[1].Losses);
        Assert.Equal(runs[0].Digest, runs[1].Digest);
        Assert.InRange(runs[0].Losses[..5].Average(), 0.7, 3);
        Assert.InRange(runs[0].Losses[^5..].Average(), 0, 0.35);
        Assert.Equal(isMasked, runs[0].DigestBefore == runs[0].Digest); // A mask leaves the backbone as it was.
    }

    [Fact]
    public void Step_InTwoParts_HasTheGradientOfOneBatch()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        model.TrainAll();
        using var head = new ClassifierHead(backend, Small.Labels, model.Config.Hidden, seed: 2, isTrained: true);
        using var tape = new Tape(backend);
        var examples = Small.Examples(12, seed: 3);

        Small.Step(tape, model, head, null, examples, DropoutKeys.Off);
        var whole = model.Parameters.Select(parameter => parameter.Gradient.ToArray()).ToList();
        foreach (var parameter in model.Parameters)
            backend.Fill(parameter.Gradient, 0f);
        Small.Step(tape, model, head, null, examples[..5], DropoutKeys.Off, of: 12);
        Small.Step(tape, model, head, null, examples[5..], DropoutKeys.Off, of: 12);

        foreach (var (parameter, expected) in model.Parameters.Zip(whole))
        {
            var scale = Math.Max(0.01f, expected.Max(Math.Abs));
            Assert.All(parameter.Gradient.ToArray().Zip(expected), pair => Assert.Equal(
                pair.Second, pair.First, 1e-5f * scale));
        }
    }

    [Fact]
    public void Frozen_LowerLayers_AreNotRunBackward()
    {
        using var backend = Small.Backend();
        using var model = Small.Model(backend);
        using var head = new ClassifierHead(backend, Small.Labels, model.Config.Hidden, seed: 2, isTrained: true);
        using var tape = new Tape(backend);
        var examples = Small.Examples(12, seed: 3);
        long Work(BertScores? masks)
        {
            var before = tape.FloatingPointOperations;
            Small.Step(tape, model, head, masks, examples, DropoutKeys.Off);
            return tape.FloatingPointOperations - before;
        }

        var headOnly = Work(null);
        using var top = BertScores.Create(backend, model, new() { Layers = [2] }, seed: 1);
        using var all = BertScores.Create(backend, model, new(), seed: 1);
        top.TrainAll();
        all.TrainAll();
        Assert.True(headOnly < Work(top));
        Assert.True(Work(top) < 0.7 * Work(all));
    }

    private static (double[] Losses, string DigestBefore, string Digest) Train(int threads, bool isMasked, int steps)
    {
        using var backend = Small.Backend(threads);
        using var model = Small.Model(backend);
        using var head = new ClassifierHead(backend, Small.Labels, model.Config.Hidden, seed: 2, isTrained: !isMasked);
        using var scores = isMasked ? BertScores.Create(backend, model, new(), seed: 3) : null;
        scores?.TrainAll();
        if (isMasked) // A frozen head of 24 numbers around 0.02 could tell nothing apart.
            head.Weight.Value.CopyFrom([.. head.Weight.Value.ToArray().Select(value => value * 20)]);
        else
            model.TrainAll();
        var before = Digest(backend, model);
        using var optimizer = new AdamOptimizer(
            backend, [.. model.Parameters, .. head.Parameters, .. scores?.Parameters ?? []],
            new() { IsDecoupled = !isMasked });
        using var tape = new Tape(backend);
        var examples = Small.Examples(32, seed: 4);
        var losses = new double[steps];
        for (var step = 0; step < steps; step++)
        {
            losses[step] = Small.Step(
                tape, model, head, scores, examples, new(CounterRandom.Key(7, (ulong)step), 0.1f, 0.1f));
            optimizer.Step(isMasked ? 0.03f : 0.003f);
        }

        return (losses, before, Digest(backend, model));
    }

    private static string Digest(TensorBackend backend, BertModel model)
    {
        using var encoder = BertEncoder.Load(backend, model.Config, model);
        return encoder.Digest;
    }

    private static uint[] Bits(float[] values) => [.. values.Select(BitConverter.SingleToUInt32Bits)];

    private sealed class ScoreMasks(BertScores scores) : IMaskSource
    {
        public bool HasMask(string name) => scores.Masked.Any(masked => masked.Name == name);

        public ReadOnlySpan<byte> ReadMask(string name) => scores.Bits(name);
    }
}
