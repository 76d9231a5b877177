using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Serving.Models.Parameters;

/// <summary>The digest of parameters: SHA-256 over names, shapes and float32 values, in the order of loading.</summary>
internal sealed class ParameterDigest : IDisposable
{
    private const int ChunkFloats = 1 << 20;

    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>Of parameters that are read for it alone.</summary>
    /// <exception cref="ModelFileException">One is missing or has another shape.</exception>
    public static string Of(
        IEnumerable<(string Name, int Rows, int Columns)> parameters, IParameterSource weights)
    {
        using var digest = new ParameterDigest();
        var chunk = Array.Empty<float>();
        foreach (var (name, rows, columns) in parameters)
        {
            digest.Begin(name, rows, columns);
            var rowsPerChunk = Math.Max(1, ChunkFloats / columns);
            for (var row = 0; row < rows; row += rowsPerChunk)
            {
                var size = Math.Min(rowsPerChunk, rows - row) * columns;
                if (chunk.Length < size)
                    chunk = new float[size];
                weights.Read(name, rows, columns, row, chunk.AsSpan(0, size));
                digest.Append(chunk.AsSpan(0, size));
            }
        }

        return digest.Finish();
    }

    public void Begin(string name, int rows, int columns) =>
        _hash.AppendData(Encoding.UTF8.GetBytes($"{name} {rows} {columns}\n"));

    /// <summary>The next values of the parameter that was begun.</summary>
    public void Append(ReadOnlySpan<float> values) => _hash.AppendData(MemoryMarshal.AsBytes(values));

    /// <summary>Of everything so far, in lower-case hexadecimal; call it once, at the end.</summary>
    public string Finish() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public void Dispose() => _hash.Dispose();
}
