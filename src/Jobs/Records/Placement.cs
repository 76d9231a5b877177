namespace Serving.Jobs.Records;

/// <summary>Where a job runs, as its spec says it.</summary>
public sealed record Placement
{
    /// <summary>The device of every machine, on which jobs of former releases ran.</summary>
    public const string Processor = "cpu";

    /// <summary>The device by name.</summary>
    public string Device { get; init; } = Processor;

    /// <summary>Bytes of the device's memory that it needs; 0 on the processor.</summary>
    public long DeviceMemoryBytes { get; init; }
}
