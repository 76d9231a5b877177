using System.Runtime.InteropServices;

namespace Serving.Backends;

/// <summary>What GPUs do, from NVIDIA's management library, which comes with the driver.</summary>
/// <remarks>NVML API, "Device Queries": nvmlDeviceGetMemoryInfo, nvmlDeviceGetUtilizationRates.</remarks>
public static partial class GpuMonitor
{
    private const string Library = "libnvidia-ml.so.1";
    private const double Percent = 100;

    private static readonly Lazy<bool> IsThere = new(Start);

    /// <returns>Null where the library is not there or does not know.</returns>
    public static GpuUse? Read(Gpu gpu)
    {
        if (!IsThere.Value || HandleByAddress(gpu.PciAddress, out var handle) != 0
            || MemoryInfo(handle, out var memory) != 0)
            return null;
        var share = UtilizationRates(handle, out var rates) == 0 ? rates.Gpu / Percent : double.NaN;
        return new((long)memory.Used, share);
    }

    private static bool Start()
    {
        try
        {
            return Initialize() == 0;
        }
        catch (Exception exception) when (exception is DllNotFoundException or EntryPointNotFoundException)
        {
            return false;
        }
    }

    [LibraryImport(Library, EntryPoint = "nvmlInit_v2")]
    private static partial int Initialize();

    [LibraryImport(
        Library, EntryPoint = "nvmlDeviceGetHandleByPciBusId_v2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int HandleByAddress(string address, out nint handle);

    [LibraryImport(Library, EntryPoint = "nvmlDeviceGetMemoryInfo")]
    private static partial int MemoryInfo(nint handle, out Memory memory);

    [LibraryImport(Library, EntryPoint = "nvmlDeviceGetUtilizationRates")]
    private static partial int UtilizationRates(nint handle, out Rates rates);

    /// <summary>nvmlMemory_t, in bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Memory
    {
        public ulong Total;
        public ulong Free;
        public ulong Used;
    }

    /// <summary>nvmlUtilization_t, in percent.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Rates
    {
        public uint Gpu;
        public uint Memory;
    }
}
