using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Serving.Models.Bert;

/// <summary>The digest of parameters: SHA-256 over names, shapes and float32 values, in the order of loading.</summary>
internal sealed class ParameterDigest : IDisposable
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    public void Begin(string name, int rows, int columns) =>
        _hash.AppendData(Encoding.UTF8.GetBytes($"{name} {rows} {columns}\n"));

    /// <summary>The next values of the parameter that was begun.</summary>
    public void Append(ReadOnlySpan<float> values) => _hash.AppendData(MemoryMarshal.AsBytes(values));

    /// <summary>Of everything so far, in lower-case hexadecimal; call it once, at the end.</summary>
    public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose() => _hash.Dispose();
}
