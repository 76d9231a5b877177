namespace Serving.Tensors;

/// <summary>A device can't be used here; the message says what is missing and how to get it.</summary>
public sealed class DeviceUnavailableException(string message) : Exception(message);
