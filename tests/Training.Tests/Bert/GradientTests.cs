using Serving.Models.Bert;
using Serving.Models.Safetensors;
using Serving.Models.Tests;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;

namespace Serving.Training.Tests.Bert;

/// <summary>The whole model's gradients against PyTorch's in float64, see golden/make_gradients.py.</summary>
public sealed class GradientTests : IDisposable
{
    /// <summary>Of the largest gradient of each parameter; measured 4e-6 at most.</summary>
    private const float Tolerance = 1e-5f;

    /// <summary>Gradients of key biases are 0 but for rounding.</summary>
    private const float SmallestScale = 0.01f;

    private readonly Golden _golden = new();
    private readonly SafetensorsFile _gradients = SafetensorsFile.Open(Golden.At("gradients.safetensors"));
    private readonly CpuBackend _backend = new(threads: 2);
    private readonly BertModel _model;
    private readonly ClassifierHead _head;
    private readonly Tape _tape;

    public GradientTests()
    {
        var config = BertConfig.Load(Path.Combine(Golden.Folder.Path, "config.json"));
        using var file = WeightFiles.Open(Path.Combine(Golden.Folder.Path, "model.safetensors"));
        _model = BertModel.Load(_backend, config, new CheckpointParameters(file));
        _head = new(_backend, Golden.Labels, config.Hidden, seed: 1, isTrained: true);
        _head.Weight.Value.CopyFrom(_golden.Floats("head.weight"));
        _head.Bias.Value.CopyFrom(_golden.Floats("head.bias"));
        _tape = new(_backend);
    }

    [Fact]
    public void Backward_AllParameters_MatchPyTorch()
    {
        _model.TrainAll();

        Step(masks: null);

        foreach (var (name, rows, columns) in _model.Tensors())
        {
            var (parameter, first, _) = _model.Find(name);
            var gradient = parameter.Value.Rows == 1
                ? parameter.Gradient.SliceColumns(first, columns)
                : parameter.Gradient.Slice(first, rows);
            AssertClose("plain." + name, gradient.ToArray());
        }

        AssertClose("plain." + BertTensors.ClassifierWeight, _head.Weight.Gradient.ToArray());
        AssertClose("plain." + BertTensors.ClassifierBias, _head.Bias.Gradient.ToArray());
    }

    [Fact]
    public void Backward_Scores_GetTheStraightThroughGradient()
    {
        using var scores = BertScores.Create(_backend, _model, new() { Layers = [1, 2] }, seed: 1);
        scores.TrainAll();
        foreach (var (name, _, _) in scores.Masked)
            Write(scores.ScoresOf(name), _golden.ReadMask(name));
        Assert.All(
            scores.Masked, masked => Assert.Equal(_golden.ReadMask(masked.Name).ToArray(), scores.Bits(masked.Name)));

        Step(scores);

        foreach (var (name, _, _) in scores.Masked)
            AssertClose("masked." + name, scores.GradientOf(name).ToArray());
    }

    /// <summary>A dropped weight's score has a gradient too, or it could never come back.</summary>
    [Fact]
    public void Backward_ScoresOfDroppedWeights_HaveGradients()
    {
        using var scores = BertScores.Create(_backend, _model, new() { InitialSparsity = 0.5 }, seed: 1);
        scores.TrainAll();

        Step(scores);

        var name = BertTensors.Weight(1, BertMatrix.Intermediate);
        var (values, gradients) = (scores.ScoresOf(name).ToArray(), scores.GradientOf(name).ToArray());
        Assert.True(values.Count(score => score <= 0.01f) > values.Length / 3);
        Assert.True(values.Zip(gradients).Count(pair => pair.First <= 0.01f && pair.Second != 0) > values.Length / 3);
    }

    public void Dispose()
    {
        _tape.Dispose();
        _head.Dispose();
        _model.Dispose();
        _backend.Dispose();
        _gradients.Dispose();
        _golden.Dispose();
    }

    private void Step(BertScores? masks)
    {
        int[] labels = [0, 1, 2, 0];
        Small.Step(
            _tape, _model, _head, masks, [.. labels.Select((label, i) => (_golden.Tokens(i), label))], DropoutKeys.Off);
    }

    private static void Write(Tensor scores, ReadOnlySpan<byte> bits)
    {
        var values = new float[scores.Rows * scores.Columns];
        for (var i = 0; i < values.Length; i++)
            values[i] = ((bits[i / 8] >> (i % 8)) & 1) != 0 ? 0.5f : -0.5f;
        scores.CopyFrom(values);
    }

    private void AssertClose(string name, float[] actual)
    {
        var expected = new float[_gradients.Entry(name).ByteCount / sizeof(float)];
        _gradients.ReadFloats(name, 0, expected);
        Assert.Equal(expected.Length, actual.Length);
        var scale = expected.Max(Math.Abs);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= Tolerance * Math.Max(scale, SmallestScale),
                $"{name}[{i}]: {actual[i]} instead of {expected[i]}");
        }
    }
}
