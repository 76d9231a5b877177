namespace Serving.Tensors;

/// <summary>The device has no memory left for what was asked.</summary>
public sealed class DeviceMemoryException(string message) : Exception(message);
