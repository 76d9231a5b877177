using Serving.Models.Lstm;
using Serving.Models.Safetensors;
using Serving.Models.Tests;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Decoders;
using Serving.Training.Layers;
using Serving.Training.Lstm;
using Serving.Training.Optimization;

namespace Serving.Training.Tests.Lstm;

/// <summary>LSTMs in training against PyTorch in float64: see golden/make_lstm.py of Models.Tests.</summary>
public sealed class LstmModelTests : IDisposable
{
    private const int Sequences = 3;

    /// <summary>Measured 1.8e-7 at most.</summary>
    private const double Tolerance = 1e-6;

    /// <summary>Of the largest gradient of each parameter; measured 3.2e-7 at most.</summary>
    private const double GradientTolerance = 2e-6;

    /// <summary>Of the largest value of a parameter after ten steps, each of up to 0.01; measured 1.3e-5 at most.
    /// </summary>
    private const double StepTolerance = 5e-5;

    private readonly CpuBackend _backend = new(threads: 2);
    private readonly SafetensorsFile _golden = SafetensorsFile.Open(Golden.At("lstm/golden.safetensors"));
    private readonly LstmModel _model;
    private readonly Tape _tape;

    public LstmModelTests()
    {
        var folder = new LstmFolder(Golden.At("lstm"));
        using var file = folder.OpenWeights(out var weights);
        _model = LstmModel.Load(_backend, folder.LoadConfig(), weights);
        _tape = new(_backend);
    }

    [Fact]
    public void Forward_Logits_ArePyTorchs_InTheOrderOfTheSequences()
    {
        var hidden = _model.Forward(_tape, Batch([.. Enumerable.Range(0, Sequences).Select(Tokens)]), DropoutKeys.Off);
        float[] expected = [.. Enumerable.Range(0, Sequences).SelectMany(i => Floats($"{i}.logits"))];
        _tape.VocabularyLogits(
            hidden, _model.Output, (logits, _) => AssertClose(expected, logits.ToArray(), Tolerance));
    }

    [Fact]
    public void TenSteps_FollowPyTorch()
    {
        _model.TrainAll();
        using var optimizer = new AdamOptimizer(
            _backend, _model.Parameters, new() { WeightDecay = 0.1f, Epsilon = 1e-6f, MaxGradientNorm = 1 });
        foreach (var expected in Floats("losses"))
        {
            Assert.Equal(expected, Step(), 1e-5);
            if (optimizer.Steps == 0)
                AssertParameters("gradient.", parameter => parameter.Gradient, GradientTolerance);
            optimizer.Step(0.01f);
        }

        AssertParameters("after.", parameter => parameter.Value, StepTolerance);
    }

    /// <summary>Of sequences that end one after another.</summary>
    [Fact]
    public void StepOrder_HasTheLongestFirst_AndFindsEachToken()
    {
        var order = new StepOrder([0, 2, 5, 6, 9]); // 2, 3, 1 and 3 tokens.

        Assert.Equal([1, 3, 0, 2], order.Sequences);
        Assert.Equal([0, 4, 7, 9], order.Steps);
        Assert.Equal([2, 6, 0, 4, 7, 3, 1, 5, 8], order.Rows.ToArray());
        Assert.Equal("cgafdhbei", string.Concat(order.Reorder<char>("abcdefghi")));
    }

    public void Dispose()
    {
        _tape.Dispose();
        _model.Dispose();
        _golden.Dispose();
        _backend.Dispose();
    }

    private static TokenBatch Batch(params int[][] texts) =>
        new([.. texts.Select(text => (ReadOnlyMemory<int>)text)]);

    /// <summary>Forward and backward pass of the mean over all next tokens of two sequences.</summary>
    private double Step()
    {
        int[][] texts = [Tokens(0), Tokens(2)];
        int[] labels = [.. texts.SelectMany(text => text[1..])];
        var hidden = _model.Forward(_tape, Batch([.. texts.Select(text => text[..^1])]), DropoutKeys.Off);
        var loss = _tape.Read(sum => _tape.VocabularyLoss(hidden, _model.Output, (logits, first) =>
            _backend.SoftmaxCrossEntropy(
                logits, _tape.Indices(labels.AsSpan(first, logits.Rows)), 1f / labels.Length, logits, sum)));
        _tape.Backward();
        _tape.Reset();
        return loss / labels.Length;
    }

    private void AssertParameters(string prefix, Func<Parameter, Tensor> part, double tolerance)
    {
        foreach (var (name, _, _) in LstmTensors.Parameters(_model.Config))
        {
            var expected = Floats(prefix + name);
            AssertClose(
                expected, part(_model.Find(name).Parameter).ToArray(), tolerance * expected.Select(Math.Abs).Max());
        }
    }

    private int[] Tokens(int sequence)
    {
        var bytes = _golden.Bytes($"{sequence}.ids").ToArray();
        return [.. Enumerable.Range(0, bytes.Length / sizeof(long))
            .Select(i => (int)BitConverter.ToInt64(bytes, i * sizeof(long)))];
    }

    private float[] Floats(string name)
    {
        var values = new float[_golden.Entry(name).ByteCount / sizeof(float)];
        _golden.ReadFloats(name, 0, values);
        return values;
    }

    private static void AssertClose(float[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Zip(actual, (a, b) => Math.Abs((double)a - b)).Max();
        Assert.True(largest <= tolerance, $"The largest error is {largest}; {tolerance} is allowed.");
    }
}
