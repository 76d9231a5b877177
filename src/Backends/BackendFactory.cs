using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Backends;

/// <summary>Makes backends by their device's name. A new kind of backend is one more entry here.</summary>
public static class BackendFactory
{
    /// <summary>The device that every machine has.</summary>
    public const string Default = "cpu";

    private static readonly SortedDictionary<string, Func<BackendOptions, TrainingBackend>> Makers =
        new(StringComparer.Ordinal)
        {
            ["cpu"] = options => new CpuBackend(options.Threads == 0 ? Environment.ProcessorCount : options.Threads)
        };

    /// <summary>The names, sorted.</summary>
    public static IReadOnlyList<string> Names => [.. Makers.Keys];

    /// <summary>A backend, which its owner disposes.</summary>
    /// <exception cref="ArgumentException">There is no such device; the message names those there are.</exception>
    public static TrainingBackend Create(string device, BackendOptions options) =>
        Makers.TryGetValue(device, out var make)
            ? make(options)
            : throw new ArgumentException($"There is no device '{device}'; there is {string.Join(", ", Names)}.");
}
