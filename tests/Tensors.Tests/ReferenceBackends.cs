using Serving.Tensors.Tests.Conformance;
using Serving.Tensors.Tests.Reference;

namespace Serving.Tensors.Tests;

/// <summary>The reference backend, which has no variants and no threads.</summary>
public sealed class ReferenceBackends : ITestBackends
{
    public static string[] Names => ["reference"];

    public static TrainingBackend Create(string name, int threads = 1) => new ReferenceBackend();
}
