namespace Serving.Backends;

/// <summary>A GPU as its driver describes it.</summary>
/// <param name="Device">"cuda:0"</param>
/// <param name="Name">"NVIDIA H100 80GB HBM3"</param>
/// <param name="TotalBytes">Of its memory.</param>
/// <param name="PciAddress">Where the machine has it: "0000:01:00.0".</param>
public sealed record Gpu(string Device, string Name, long TotalBytes, string PciAddress);

/// <summary>What a GPU does now, for all processes together.</summary>
/// <param name="UsedBytes">Of its memory.</param>
/// <param name="Utilization">The share of the last moments in which it computed, 0 to 1.</param>
public sealed record GpuUse(long UsedBytes, double Utilization);
