using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Tests;

// The suites of every backend, run for this one.

public sealed class ReferenceMemoryTests : MemorySuite<ReferenceBackends>;

public sealed class ReferenceRefusalTests : RefusalSuite<ReferenceBackends>;

public sealed class ReferenceMaskTests : MaskSuite<ReferenceBackends>;

public sealed class ReferenceLinearTests : LinearSuite<ReferenceBackends>;

public sealed class ReferenceMultiplyTests : MultiplySuite<ReferenceBackends>;

public sealed class ReferenceRowTests : RowSuite<ReferenceBackends>;

public sealed class ReferenceAttentionTests : AttentionSuite<ReferenceBackends>;

public sealed class ReferenceCachedAttentionTests : CachedAttentionSuite<ReferenceBackends>;

public sealed class ReferenceLstmTests : LstmSuite<ReferenceBackends>;

public sealed class ReferenceAttentionGradientTests : AttentionGradientSuite<ReferenceBackends>;

public sealed class ReferenceGradientTests : GradientSuite<ReferenceBackends>;

public sealed class ReferenceLossTests : LossSuite<ReferenceBackends>;
