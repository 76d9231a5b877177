using System.Globalization;
using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Backends;

/// <summary>What this machine and this build have for devices, a sentence each.</summary>
public static class Doctor
{
    private const double BytesPerGibibyte = 1 << 30;

    /// <summary>Examines everything that a device can need, the one of every machine first.</summary>
    /// <param name="torchLibraries">See <see cref="BackendOptions.TorchLibraries"/>.</param>
    public static IEnumerable<string> Examine(string? torchLibraries)
    {
        yield return OfProcessor(ProcessorName());
        yield return OfGlibc(SystemLibraries.Glibc);
        yield return OfGlibcxx(SystemLibraries.Glibcxx);
        yield return OfTorch(torchLibraries);
        yield return OfDriver(CudaDriver.Problem, CudaDriver.Version);
        foreach (var gpu in CudaDriver.Gpus)
            yield return OfGpu(gpu);
    }

    /// <summary>Whether a device can be used: it is opened, and closed again.</summary>
    /// <returns>Why not, as a sentence; null if it can.</returns>
    /// <exception cref="ArgumentException">No device is named so.</exception>
    public static string? WhyNot(string device, string? torchLibraries)
    {
        try
        {
            BackendFactory.Create(device, new() { TorchLibraries = torchLibraries }).Dispose();
            return null;
        }
        catch (DeviceUnavailableException refusal)
        {
            return refusal.Message;
        }
    }

    internal static string OfGlibc(Version? version) => version switch
    {
        null => "The C library is not glibc: devices of libtorch need that; cpu does not.",
        _ when version < SystemLibraries.NeededGlibc =>
            $"glibc is {version}; libtorch needs {SystemLibraries.NeededGlibc} or later; cpu does not.",
        _ => $"glibc is {version}; libtorch needs {SystemLibraries.NeededGlibc}: it will do."
    };

    internal static string OfGlibcxx(Version? version) => version switch
    {
        null => "There is no libstdc++ here: devices of libtorch need it.",
        _ when version < SystemLibraries.NeededGlibcxx =>
            $"libstdc++ has GLIBCXX_{version}; TorchSharp's library needs GLIBCXX_{SystemLibraries.NeededGlibcxx} of "
            + "GCC 13: use Ubuntu 24.04, Debian 13 or later.",
        _ => $"libstdc++ has GLIBCXX_{version}; TorchSharp's library needs GLIBCXX_{SystemLibraries.NeededGlibcxx}: it "
            + "will do."
    };

    internal static string OfDriver(string? problem, string version) =>
        problem ?? $"The NVIDIA driver runs CUDA up to {version}.";

    internal static string OfGpu(Gpu gpu) => string.Create(
        CultureInfo.InvariantCulture,
        $"{gpu.Device} is a {gpu.Name} with {gpu.TotalBytes / BytesPerGibibyte:0.0} GiB.");

    private static string OfProcessor(string name)
    {
        using var backend = new CpuBackend(threads: 1);
        return $"The processor is {name}, {Environment.ProcessorCount} of them for this process; the device "
            + $"{BackendFactory.Default} runs on {backend.Arithmetic}: {backend.Reason}.";
    }

    private static string OfTorch(string? libraries) =>
        BackendFactory.WhyNotInBuild(BackendFactory.TorchProcessor)
        ?? WhyNot(BackendFactory.TorchProcessor, libraries)
        ?? BackendFactory.DescribeTorch();

    private static string ProcessorName() => OperatingSystem.IsLinux()
        ? File.ReadLines("/proc/cpuinfo")
            .Where(line => line.StartsWith("model name", StringComparison.Ordinal))
            .Select(line => line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim())
            .FirstOrDefault() ?? "of an unknown name"
        : "of an unknown name";
}
