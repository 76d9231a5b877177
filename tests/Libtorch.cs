using Serving.Tensors;
using Serving.Tensors.Torch;

namespace Serving.Testing;

/// <summary>The libtorch that tests run on: a folder named by SERVING_TORCH, or what lies beside the tests.</summary>
internal static class Libtorch
{
    public static string? Folder { get; } = Environment.GetEnvironmentVariable("SERVING_TORCH");

    /// <summary>
    /// Why it can't be used here; null if it can. A folder that was named must do, or the tests fail.
    /// </summary>
    public static string? Missing { get; } = FindMissing();

    /// <summary>What tests run on: the device that SERVING_TORCH_DEVICE names, or libtorch on the processor.</summary>
    private static string Device { get; } =
        Environment.GetEnvironmentVariable("SERVING_TORCH_DEVICE") ?? TorchDevices.Processor;

    /// <summary>
    /// A backend, on one thread unless more are asked for: libtorch's threads spin while they wait for each other,
    /// which takes long where programs share few processors.
    /// </summary>
    public static TorchBackend Backend(TorchOptions? options = null)
    {
        options ??= new();
        return TorchDevices.Create(
            Device, Folder, options.Threads == 0 ? options with { Threads = 1 } : options);
    }

    private static string? FindMissing()
    {
        if (Folder is not null)
            return null;
        try
        {
            TorchLibraries.Load(folder: null);
            return null;
        }
        catch (DeviceUnavailableException refusal)
        {
            return refusal.Message;
        }
    }
}

/// <summary>Tests that need libtorch.</summary>
internal sealed class NeedsLibtorchAttribute : NeedsAttribute
{
    public override string? Missing => Libtorch.Missing;
}
