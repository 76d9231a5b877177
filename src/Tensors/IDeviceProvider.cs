namespace Serving.Tensors;

/// <summary>Makes the backends of an assembly that a program may lack.</summary>
/// <remarks>The implementation has a constructor without parameters.</remarks>
public interface IDeviceProvider
{
    /// <summary>A backend, which its owner disposes.</summary>
    /// <param name="device">"torch-cpu", "cuda", "cuda:1"</param>
    /// <param name="threads">Threads that compute, where the device has none of its own; 0 for its default.</param>
    /// <param name="libraries">A folder with the device's native libraries; null for those beside the program.</param>
    /// <exception cref="DeviceUnavailableException">There is no such device here, or a library is missing.</exception>
    TrainingBackend Create(string device, int threads, string? libraries);

    /// <summary>Which native libraries were loaded, and from where, as a sentence; after a backend was made.</summary>
    string Describe();
}
