using System.Diagnostics.Metrics;
using Serving.Backends;
using Serving.Catalog.Resident;

namespace Serving.Server.Telemetry;

/// <summary>Metrics of the devices that models run on, in the meter of <see cref="ServerMetrics"/>.</summary>
internal sealed class DeviceMetrics : IDisposable
{
    private readonly Meter _meter = new(ServerMetrics.Meter);

    public DeviceMetrics(ModelDevices devices)
    {
        var all = devices.All;
        _meter.CreateObservableUpDownCounter(
            "serving.device.memory.usage", () => all.SelectMany(Memory), "By",
            "Memory of devices: allocated by this server, promised to jobs and loads, used by all processes.");
        _meter.CreateObservableUpDownCounter(
            "serving.device.memory.limit",
            () => all.SelectMany(device => Limit(device) is { } bytes
                ? [new Measurement<long>(bytes, Name(device), Hardware(device))]
                : Array.Empty<Measurement<long>>()),
            "By", "What may be used of a device's memory.");
        _meter.CreateObservableCounter(
            "serving.device.busy", () => all.Select(device => new Measurement<double>(
                device.Lanes.Busy.TotalSeconds, Name(device), Hardware(device))),
            "s", "For how long this server has computed on a device.");
        _meter.CreateObservableGauge(
            "serving.device.utilization",
            () => all.SelectMany(device => Use(device) is { Utilization: >= 0 } use
                ? [new Measurement<double>(use.Utilization, Name(device), Hardware(device))]
                : Array.Empty<Measurement<double>>()),
            "1", "The share of the last moments in which a GPU computed, for whatever process.");
    }

    public void Dispose() => _meter.Dispose();

    private static IEnumerable<Measurement<long>> Memory(ModelDevice device)
    {
        yield return Of(device.Backend.AllocatedBytes, "allocated");
        yield return Of(device.Memory.Promised, "promised");
        if (Use(device) is { } use)
            yield return Of(use.UsedBytes, "used");

        Measurement<long> Of(long bytes, string state) =>
            new(bytes, Name(device), Hardware(device), new("serving.device.memory.state", state));
    }

    private static long? Limit(ModelDevice device) =>
        device.Memory.Bytes ?? CudaDriver.Of(device.Name)?.TotalBytes;

    private static GpuUse? Use(ModelDevice device) =>
        CudaDriver.Of(device.Name) is { } gpu ? GpuMonitor.Read(gpu) : null;

    private static KeyValuePair<string, object?> Name(ModelDevice device) => new("serving.device", device.Name);

    private static KeyValuePair<string, object?> Hardware(ModelDevice device) =>
        new("serving.device.hardware", CudaDriver.Of(device.Name)?.Name ?? device.Backend.Arithmetic);
}
