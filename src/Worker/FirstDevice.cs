using System.Text;
using Serving.Storage;

namespace Serving.Worker;

/// <summary>What a job began on, in a file of its folder: it goes on to the same bits only there.</summary>
internal static class FirstDevice
{
    private const string FileName = "device.txt";

    /// <summary>Notes what a job that begins runs on.</summary>
    /// <param name="arithmetic">See <see cref="Tensors.TensorBackend.Arithmetic"/>.</param>
    /// <returns>A warning, if it began on something else; null if not.</returns>
    /// <exception cref="IOException">It can't be noted.</exception>
    public static string? Differs(string folder, string arithmetic)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
        {
            DiskFileSystem.Instance.Replace(path, Encoding.UTF8.GetBytes(arithmetic));
            return null;
        }

        var first = File.ReadAllText(path);
        return first == arithmetic
            ? null
            : $"It began on {first} and goes on on {arithmetic}: the result is as good, but not of the same bits.";
    }
}
