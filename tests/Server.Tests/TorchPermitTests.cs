using Serving.Testing;

[assembly: TestFramework("Serving.Testing.SkippingFramework", "Server.Tests")]

namespace Serving.Server.Tests;

/// <summary>The same on a device of libtorch.</summary>
[NeedsLibtorch]
public sealed class TorchPermitTests : PermitTests
{
    private protected override GatedBackend NewBackend() => new(Libtorch.Backend());
}
