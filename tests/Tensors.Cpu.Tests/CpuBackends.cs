using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Cpu.Tests;

/// <summary>The vector widths that this processor runs, each a backend.</summary>
public sealed class CpuBackends : ITestBackends
{
    public static string[] Widths => [.. CpuKernels.Supported.Select(kernels => kernels.Name)];

    public static string[] Names => Widths;

    public static CpuBackend Backend(string width, int threads = 1) =>
        new(threads, CpuKernels.Supported.Single(kernels => kernels.Name == width));

    public static TrainingBackend Create(string name, int threads = 1) => Backend(name, threads);
}
