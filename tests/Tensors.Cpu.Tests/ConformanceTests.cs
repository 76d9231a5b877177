using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Cpu.Tests;

// The suites of every backend, run for this one.

public sealed class CpuMemoryTests : MemorySuite<CpuBackends>;

public sealed class CpuRefusalTests : RefusalSuite<CpuBackends>;

public sealed class CpuMaskTests : MaskSuite<CpuBackends>;

public sealed class CpuLinearTests : LinearSuite<CpuBackends>;

public sealed class CpuMultiplyTests : MultiplySuite<CpuBackends>;

public sealed class CpuRowTests : RowSuite<CpuBackends>;

public sealed class CpuAttentionTests : AttentionSuite<CpuBackends>;

public sealed class CpuCachedAttentionTests : CachedAttentionSuite<CpuBackends>;

public sealed class CpuLstmTests : LstmSuite<CpuBackends>;

public sealed class CpuAttentionGradientTests : AttentionGradientSuite<CpuBackends>;

public sealed class CpuComparisonTests : ComparisonSuite<CpuBackends>;

public sealed class CpuGradientTests : GradientSuite<CpuBackends>;

public sealed class CpuLossTests : LossSuite<CpuBackends>;
