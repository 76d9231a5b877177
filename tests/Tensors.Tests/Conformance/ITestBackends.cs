namespace Serving.Tensors.Tests.Conformance;

/// <summary>
/// What a suite runs for: a backend in its variants, such as vector widths. For each suite a test project derives a
/// class from it, with this as its argument.
/// </summary>
public interface ITestBackends
{
    /// <summary>Names of the variants that run on this machine.</summary>
    static abstract string[] Names { get; }

    /// <summary>A backend, which the test disposes.</summary>
    /// <param name="threads">Where the backend has threads.</param>
    static abstract TrainingBackend Create(string name, int threads = 1);
}
