using Serving.Tensors.Cpu;
using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Torch.Tests;

/// <summary>Each operation gives what it gives on the CPU backend.</summary>
[NeedsLibtorch]
public sealed class RandomOperationTests
{
    private const int Draws = 25;

    /// <summary>Of the largest value of a result; measured 4e-7 at most.</summary>
    private const double Tolerance = 2e-6;

    public static TheoryData<string> Operations => [.. RandomOperations.All.Keys];

    [Theory]
    [MemberData(nameof(Operations))]
    public void Operation_GivesWhatTheCpuGives(string operation)
    {
        using var cpu = new CpuBackend(threads: 2);
        using var torch = Libtorch.Backend();
        for (var seed = 1; seed <= Draws; seed++)
        {
            foreach (var (expected, actual) in Run(cpu, operation, seed).Zip(Run(torch, operation, seed)))
            {
                var scale = expected.Select(Math.Abs).Append(1).Max();
                var worst = expected.Zip(actual, (a, b) => Math.Abs(a - b)).Append(0).Max() / scale;
                Assert.True(worst <= Tolerance, $"Results of draw {seed} differ by {worst}.");
            }
        }

        Assert.Equal(0, torch.AllocatedBytes);
    }

    private static List<double[]> Run(TrainingBackend backend, string operation, int seed)
    {
        using var operands = new Operands(backend);
        RandomOperations.All[operation](operands, new Random(seed));
        return operands.Results();
    }
}
