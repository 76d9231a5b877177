using Serving.Models.Lstm;
using Serving.Models.Safetensors;
using Serving.Models.Tests;
using Serving.Tensors;
using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Autograd.Operations;
using Serving.Training.Layers;
using Serving.Training.Vae;

namespace Serving.Training.Tests.Vae;

/// <summary>A step of an autoencoder against PyTorch in float64: see golden/make_vae.py of Models.Tests.</summary>
public sealed class VaeModelTests : IDisposable
{
    private const int Texts = 3;
    private const double Weight = 0.7;

    /// <summary>Of the largest value, as of LSTMs alone.</summary>
    private const double Tolerance = 2e-6;

    private readonly CpuBackend _backend = new(threads: 2);
    private readonly SafetensorsFile _golden = SafetensorsFile.Open(Golden.At("vae/golden.safetensors"));
    private readonly VaeModel _model;
    private readonly Tape _tape;

    public VaeModelTests()
    {
        var folder = new LstmFolder(Golden.At("vae"));
        using var file = folder.OpenWeights(out var weights);
        _model = VaeModel.Load(_backend, folder.LoadConfig(), weights);
        _model.TrainAll();
        _tape = new(_backend);
    }

    [Fact]
    public void Step_GivesPyTorchsSumsAndGradients()
    {
        var batch = new SentenceBatch([.. Enumerable.Range(0, Texts).Select(i => new Sentence(Tokens(i)))]);
        var statistics = _model.Encode(_tape, batch);
        AssertClose("statistics", statistics.Value.ToArray());
        double[] noise = [.. Floats("noise").Select(value => (double)value)];
        var z = _tape.Latent(statistics, noise, Weight / Texts, freeNats: 0, out var posterior);
        var hidden = _model.Decode(_tape, batch, batch.Inputs, z, DropoutKeys.Off);
        var reconstruction = _tape.Read(sum => _tape.VocabularyLoss(hidden, _model.Output, (logits, row) =>
            _backend.SoftmaxCrossEntropy(
                logits, _tape.Indices(batch.Labels.AsSpan(row, logits.Rows)), 1f / Texts, logits, sum)));
        _tape.Backward();

        var sums = Floats("sums");
        Assert.Equal(sums[0], reconstruction, 1e-4);
        Assert.Equal(sums[1], Enumerable.Range(0, Texts).Sum(posterior.Divergence), 1e-4);
        foreach (var (name, _, _) in LstmTensors.Parameters(_model.Config))
            AssertClose("gradient." + name, _model.Find(name).Parameter.Gradient.ToArray());
    }

    /// <summary>Below the free nats the divergence pushes nothing: what is left is the reconstruction's.</summary>
    [Fact]
    public void FreeNats_TakeTheDivergencesGradientAway()
    {
        float[] Gradient(double weight, double freeNats)
        {
            var batch = new SentenceBatch([new(Tokens(0)), new(Tokens(2))]);
            var statistics = _model.Encode(_tape, batch);
            var z = _tape.Latent(statistics, new double[2 * 5], weight, freeNats, out _);
            var hidden = _model.Decode(_tape, batch, batch.Inputs, z, DropoutKeys.Off);
            _tape.Read(sum => _tape.VocabularyLoss(hidden, _model.Output, (logits, row) =>
                _backend.SoftmaxCrossEntropy(
                    logits, _tape.Indices(batch.Labels.AsSpan(row, logits.Rows)), 1, logits, sum)));
            _tape.Backward();
            var gradient = statistics.Gradient.ToArray();
            _tape.Reset();
            return gradient;
        }

        Assert.Equal(Gradient(weight: 0, freeNats: 0), Gradient(weight: 1, freeNats: 100));
        Assert.NotEqual(Gradient(weight: 0, freeNats: 0), Gradient(weight: 1, freeNats: 0));
    }

    public void Dispose()
    {
        _tape.Dispose();
        _model.Dispose();
        _golden.Dispose();
        _backend.Dispose();
    }

    private int[] Tokens(int text)
    {
        var bytes = _golden.Bytes($"{text}.tokens").ToArray();
        return [.. Enumerable.Range(0, bytes.Length / sizeof(long))
            .Select(i => (int)BitConverter.ToInt64(bytes, i * sizeof(long)))];
    }

    private float[] Floats(string name)
    {
        var values = new float[_golden.Entry(name).ByteCount / sizeof(float)];
        _golden.ReadFloats(name, 0, values);
        return values;
    }

    private void AssertClose(string name, float[] actual)
    {
        var expected = Floats(name);
        Assert.Equal(expected.Length, actual.Length);
        var largest = expected.Zip(actual, (a, b) => Math.Abs((double)a - b)).Max();
        var scale = expected.Select(Math.Abs).Max();
        Assert.True(largest <= Tolerance * scale, $"{name}: the largest error is {largest}, of {scale}.");
    }
}
