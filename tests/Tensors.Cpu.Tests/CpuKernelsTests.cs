using System.Runtime.Intrinsics.X86;

namespace Serving.Tensors.Cpu.Tests;

/// <summary>Which vectors are chosen, also under the runtime's switches (DOTNET_EnableAVX512=0 and others).</summary>
public sealed class CpuKernelsTests
{
    [Fact]
    public void Best_IsAvx512WhereverTheProcessorHasIt_WhateverWidthTheRuntimePrefers()
    {
        var hasAvx512 = Avx512F.IsSupported && Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported;

        Assert.Equal(hasAvx512, CpuKernels.Best.Name == "avx512");
        Assert.Equal(!hasAvx512 && Avx2.IsSupported, CpuKernels.Best.Name == "avx2");
    }

    [Fact]
    public void Supported_EndsWithScalars_ThatSayWhatWouldBeWider()
    {
        using var backend = CpuBackends.Backend("scalar");

        Assert.Equal("scalar", CpuKernels.Supported[^1].Name);
        Assert.StartsWith("cpu scalar, 1 thread", backend.Description, StringComparison.Ordinal);
        Assert.StartsWith("the processor has ", backend.Reason, StringComparison.Ordinal);
    }
}
