using System.Reflection;
using Serving.Tensors;
using Serving.Tensors.Cpu;

namespace Serving.Backends;

/// <summary>Makes backends by their device's name. A new kind of backend is one more entry here.</summary>
/// <remarks>Those of libtorch are in an assembly that is loaded when one is asked for; a build may lack it.</remarks>
public static class BackendFactory
{
    /// <summary>The device that every machine has.</summary>
    public const string Default = "cpu";

    /// <summary>libtorch on this machine's processors.</summary>
    public const string TorchProcessor = "torch-cpu";

    /// <summary>The first CUDA device; others have their number behind a colon.</summary>
    public const string Cuda = "cuda";

    /// <summary>The names, for people.</summary>
    public const string Help = $"{Default}, {TorchProcessor}, {Cuda}, {Cuda}:1 and so on";

    private const string TorchAssembly = "Serving.Tensors.Torch";
    private const string TorchProvider = "Serving.Tensors.Torch.TorchDevices";

    /// <summary>Whether a device is named so, here or elsewhere.</summary>
    public static bool IsName(string device) => device is Default or TorchProcessor or Cuda
        || (device.StartsWith($"{Cuda}:", StringComparison.Ordinal)
            && device.AsSpan(Cuda.Length + 1) is { Length: > 0 and < 4 } number
            && !number.ContainsAnyExceptInRange('0', '9'));

    /// <summary>Of several names of one device, the one: "cuda:0" for "cuda".</summary>
    public static string Canonical(string device) => device == Cuda ? $"{Cuda}:0" : device;

    /// <summary>A backend, which its owner disposes.</summary>
    /// <exception cref="ArgumentException">No device is named so; the message names those there are.</exception>
    /// <exception cref="DeviceUnavailableException">
    /// It can't be used here; the message says what is missing and how to get it.
    /// </exception>
    public static TrainingBackend Create(string device, BackendOptions options)
    {
        if (!IsName(device))
            throw new ArgumentException($"There is no device '{device}'; there is {Help}.");
        if (device == Default)
            return new CpuBackend(options.Threads == 0 ? Environment.ProcessorCount : options.Threads);
        var provider = Torch(device);
        if (device != TorchProcessor && CudaDriver.Problem is { } problem) // Before gigabytes are read.
            throw new DeviceUnavailableException($"The device {device} can't be used. {problem}");
        return provider.Create(device, options.Threads, options.TorchLibraries);
    }

    /// <summary>Which libtorch was loaded, and from where, as a sentence; after a device of it was made.</summary>
    public static string DescribeTorch() => Torch(TorchProcessor).Describe();

    /// <summary>Whether this build can have a device at all; no library is loaded for it.</summary>
    /// <returns>Why not, and what to do; null if it can.</returns>
    public static string? WhyNotInBuild(string device) => device == Default || TorchIfBuilt() is not null
        ? null
        : $"The device {device} is not in this build: build with -p:Torch=cpu or -p:Torch=cuda, or with "
            + "-p:Torch=external for a libtorch of your own; the device cpu is in every build.";

    private static IDeviceProvider Torch(string device) =>
        TorchIfBuilt() ?? throw new DeviceUnavailableException(WhyNotInBuild(device)!);

    private static IDeviceProvider? TorchIfBuilt()
    {
        try
        {
            var provider = Assembly.Load(TorchAssembly).GetType(TorchProvider, throwOnError: true)!;
            return (IDeviceProvider)Activator.CreateInstance(provider)!;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
