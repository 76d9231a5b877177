using System.Globalization;
using TorchSharp;

namespace Serving.Tensors.Torch;

/// <summary>The devices of libtorch, by name.</summary>
public sealed class TorchDevices : IDeviceProvider
{
    private const string Cuda = "cuda";

    /// <summary>libtorch on this machine's processors.</summary>
    public const string Processor = "torch-cpu";

    public TrainingBackend Create(string device, int threads, string? libraries) =>
        Create(device, libraries, new() { Threads = threads });

    public string Describe() =>
        $"libtorch is {TorchLibraries.Version}, in {TorchLibraries.Folder}; TorchSharp needs "
        + $"{TorchLibraries.WantedVersion}: it will do.";

    /// <summary>A backend, which its owner disposes.</summary>
    /// <param name="libraries">See <see cref="TorchLibraries.Load"/>.</param>
    /// <exception cref="ArgumentException">The name is none of a device of libtorch.</exception>
    /// <exception cref="DeviceUnavailableException">There is no such device here, or a library is missing.</exception>
    public static TorchBackend Create(string device, string? libraries, TorchOptions options)
    {
        var index = IndexOf(device);
        TorchLibraries.Load(libraries);
        if (index is not { } cuda)
            return new(device: null, options);
        if (!torch.TryInitializeDeviceType(DeviceType.CUDA))
        {
            throw new DeviceUnavailableException(
                $"The device {device} needs CUDA, which libtorch in {TorchLibraries.Folder} does not find: it needs a "
                + $"libtorch for CUDA, a driver and a GPU; {Processor} and cpu need none.");
        }

        var count = torch.cuda.device_count();
        if (cuda >= count)
        {
            throw new DeviceUnavailableException(
                $"There is no device {device}; CUDA finds {count} here, cuda:0 to cuda:{count - 1}.");
        }

        return new(cuda, options);
    }

    /// <summary>The number of a CUDA device, or null for the processor.</summary>
    private static int? IndexOf(string device)
    {
        if (device == Processor)
            return null;
        if (device == Cuda)
            return 0;
        if (device.StartsWith($"{Cuda}:", StringComparison.Ordinal)
            && int.TryParse(device.AsSpan(Cuda.Length + 1), NumberStyles.None, provider: null, out var index))
            return index;
        throw new ArgumentException(
            $"There is no device '{device}'; there is {Processor}, {Cuda}, {Cuda}:1 and so on.");
    }
}
