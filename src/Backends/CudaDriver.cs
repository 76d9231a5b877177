using System.Runtime.InteropServices;
using System.Text;

namespace Serving.Backends;

/// <summary>NVIDIA's driver: which GPUs there are. Nothing of libtorch is needed.</summary>
/// <remarks>CUDA Driver API, "Initialization", "Version Management" and "Device Management".</remarks>
public static partial class CudaDriver
{
    private const string Library = "libcuda.so.1";
    private const int NoDevice = 100; // CUDA_ERROR_NO_DEVICE
    private const int TextBytes = 256;

    private static readonly Lazy<(IReadOnlyList<Gpu> Gpus, string Version, string? Problem)> Found = new(Find);

    /// <summary>The GPUs in the order of CUDA; none without a driver.</summary>
    public static IReadOnlyList<Gpu> Gpus => Found.Value.Gpus;

    /// <summary>The newest CUDA that the driver can run: "12.8"; empty without one.</summary>
    public static string Version => Found.Value.Version;

    /// <summary>Why no GPU can be used, and what to do, as a sentence; null if one can.</summary>
    public static string? Problem => Found.Value.Problem;

    /// <summary>The GPU of a device's name; null for other devices, and where there is none.</summary>
    public static Gpu? Of(string device)
    {
        var name = BackendFactory.Canonical(device);
        return name.StartsWith(BackendFactory.Cuda, StringComparison.Ordinal)
            ? Gpus.FirstOrDefault(gpu => gpu.Device == name)
            : null;
    }

    private static (IReadOnlyList<Gpu> Gpus, string Version, string? Problem) Find()
    {
        try
        {
            var status = Initialize(flags: 0);
            var version = DriverVersion(out var number) == 0 ? $"{number / 1000}.{number % 1000 / 10}" : "";
            if (status is not (0 or NoDevice))
                return ([], version, $"The NVIDIA driver does not start (CUDA error {status}): load or update it.");
            if (status == NoDevice || DeviceCount(out var count) != 0 || count == 0)
                return ([], version, "The NVIDIA driver finds no GPU: attach one, or let this process see it.");
            return ([.. Enumerable.Range(0, count).Select(Describe)], version, null);
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return ([], "", $"There is no NVIDIA driver here ({Library} is not found): install it, or take cpu.");
        }
    }

    private static Gpu Describe(int ordinal)
    {
        var (name, address) = (new byte[TextBytes], new byte[TextBytes]);
        var total = (nuint)0;
        if (GetDevice(out var device, ordinal) == 0)
        {
            _ = DeviceName(name, name.Length, device);
            _ = DeviceMemory(out total, device);
            _ = DeviceAddress(address, address.Length, device);
        }

        return new($"{BackendFactory.Cuda}:{ordinal}", Text(name), (long)total, Text(address));
    }

    private static string Text(byte[] bytes)
    {
        var end = Array.IndexOf(bytes, (byte)0);
        return Encoding.UTF8.GetString(bytes, 0, end < 0 ? bytes.Length : end);
    }

    [LibraryImport(Library, EntryPoint = "cuInit")]
    private static partial int Initialize(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDriverGetVersion")]
    private static partial int DriverVersion(out int version);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetCount")]
    private static partial int DeviceCount(out int count);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet")]
    private static partial int GetDevice(out int device, int ordinal);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName")]
    private static partial int DeviceName([Out] byte[] name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    private static partial int DeviceMemory(out nuint bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetPCIBusId")]
    private static partial int DeviceAddress([Out] byte[] address, int length, int device);
}
