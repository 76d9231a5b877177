using Serving.Tensors.Tests.Conformance;

namespace Serving.Tensors.Torch.Tests;

/// <summary>
/// libtorch's device, without and with masked weights that are kept, and with products of several tasks at once.
/// </summary>
public sealed class TorchBackends : ITestBackends
{
    private const string Single = "libtorch";
    private const string Keeping = "libtorch, keeping masked weights";
    private const string Batched = "libtorch, batched products";

    public static string[] Names => [Single, Keeping, Batched];

    public static TrainingBackend Create(string name, int threads = 1) => Libtorch.Backend(new()
    {
        Threads = threads,
        MaskedWeightBytes = name == Keeping ? 1 << 20 : 0,
        BatchedProducts = name == Batched
    });
}

// The suites of every backend, run for this one.

[NeedsLibtorch]
public sealed class TorchMemoryTests : MemorySuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchRefusalTests : RefusalSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchMaskTests : MaskSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchLinearTests : LinearSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchMultiplyTests : MultiplySuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchRowTests : RowSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchAttentionTests : AttentionSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchCachedAttentionTests : CachedAttentionSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchLstmTests : LstmSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchAttentionGradientTests : AttentionGradientSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchComparisonTests : ComparisonSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchGradientTests : GradientSuite<TorchBackends>;

[NeedsLibtorch]
public sealed class TorchLossTests : LossSuite<TorchBackends>;
