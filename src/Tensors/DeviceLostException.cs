namespace Serving.Tensors;

/// <summary>A device that computed is gone, or answers no more; only another process can use it again.</summary>
public sealed class DeviceLostException(string message) : Exception(message);
