using Serving.Tensors.Cpu;
using Serving.Training.Autograd;
using Serving.Training.Bert;
using Serving.Training.Layers;
using Serving.Training.Optimization;
using Serving.Training.Tests;

namespace Serving.Tensors.Torch.Tests.Models;

/// <summary>Ten steps of training go as they go on the CPU backend, dropout included.</summary>
[NeedsLibtorch]
public sealed class TrainingTests
{
    private const int Steps = 10;
    private const float LearningRate = 1e-3f;

    /// <summary>Of losses of about 1; measured 7e-8.</summary>
    private const double LossTolerance = 1e-6;

    /// <summary>
    /// Of parameters that move by up to 1e-2: Adam divides small gradients by themselves, and so their rounding errors
    /// count as much as large ones do. Measured 7e-6.
    /// </summary>
    private const float ParameterTolerance = 5e-5f;

    /// <summary>A key's bias adds the same to all scores of a query: its gradient is nothing but rounding.</summary>
    private const string KeyBias = "attention.self.key.bias";

    [Fact]
    public void TenSteps_AllWeights()
    {
        using var cpu = new CpuBackend(threads: 2);
        using var torch = Libtorch.Backend();
        var (expectedLosses, expected) = TrainWeights(cpu);
        var (losses, parameters) = TrainWeights(torch);
        AssertClose(expectedLosses, losses, LossTolerance);
        Assert.All(expected, (parameter, i) => AssertClose(parameter, parameters[i], ParameterTolerance));
        Assert.Equal(0, torch.AllocatedBytes);
    }

    [Fact]
    public void TenSteps_Masks()
    {
        using var cpu = new CpuBackend(threads: 2);
        using var torch = Libtorch.Backend();
        var (expectedLosses, expectedBits) = TrainMasks(cpu);
        var (losses, bits) = TrainMasks(torch);
        AssertClose(expectedLosses, losses, LossTolerance);
        Assert.Equal(expectedBits, bits);
        Assert.Equal(0, torch.AllocatedBytes);
    }

    [Fact]
    public void TenSteps_Twice_GiveTheSameBits()
    {
        using var torch = Libtorch.Backend();
        var (losses, parameters) = TrainWeights(torch);
        var (again, parametersAgain) = TrainWeights(torch);
        Assert.Equal(losses, again);
        Assert.Equal(parameters, parametersAgain);
    }

    private static (List<double> Losses, List<float[]> Parameters) TrainWeights(TrainingBackend backend)
    {
        using var model = Small.Model(backend);
        using var head = Head(backend);
        model.TrainAll();
        var losses = Train(backend, model, head, masks: null, [.. model.Parameters, .. head.Parameters]);
        var parameters = new List<float[]>();
        foreach (var (name, rows, columns) in model.Tensors())
        {
            if (name.EndsWith(KeyBias, StringComparison.Ordinal))
                continue;
            parameters.Add(new float[rows * columns]);
            model.Read(name, rows, columns, 0, parameters[^1]);
        }

        return (losses, parameters);
    }

    private static (List<double> Losses, List<byte[]> Bits) TrainMasks(TrainingBackend backend)
    {
        using var model = Small.Model(backend);
        using var head = Head(backend);
        using var scores = BertScores.Create(backend, model, new(), seed: 2);
        scores.TrainAll();
        var losses = Train(backend, model, head, scores, [.. scores.Parameters, .. head.Parameters]);
        return (losses, [.. scores.Masked.Select(masked => scores.Bits(masked.Name))]);
    }

    private static ClassifierHead Head(TrainingBackend backend) =>
        new(backend, Small.Labels, Small.Config.Hidden, seed: 3, isTrained: true);

    private static List<double> Train(
        TrainingBackend backend, BertModel model, ClassifierHead head, BertScores? masks, List<Parameter> parameters)
    {
        using var optimizer = new AdamOptimizer(backend, parameters, new() { WeightDecay = 0.01f });
        using var tape = new Tape(backend);
        var losses = new List<double>();
        for (var step = 0; step < Steps; step++)
        {
            var dropout = new DropoutKeys((ulong)step, hiddenRate: 0.1f, attentionRate: 0.1f);
            losses.Add(Small.Step(tape, model, head, masks, Small.Examples(8, seed: (ulong)step), dropout));
            optimizer.Step(LearningRate);
        }

        return losses;
    }

    private static void AssertClose(IEnumerable<double> expected, IEnumerable<double> actual, double tolerance)
    {
        var worst = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Max();
        Assert.True(worst <= tolerance, $"They differ by {worst}.");
    }

    private static void AssertClose(float[] expected, float[] actual, float tolerance) => AssertClose(
        expected.Select(value => (double)value), actual.Select(value => (double)value), tolerance);
}
