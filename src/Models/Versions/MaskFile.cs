using Serving.Models.Safetensors;

namespace Serving.Models.Versions;

/// <summary>
/// The masks of a task version: bits as they are, or in <see cref="MaskCode"/>, with shapes in the metadata.
/// </summary>
internal sealed class MaskFile(SafetensorsFile file) : IDisposable
{
    /// <summary>Behind the shape, in the metadata, of a mask that is coded.</summary>
    public const string CodedMark = " rice";

    private const long MostCodedWeights = 1L << 31; // A code of few bytes can stand for many bits.

    private readonly Dictionary<string, byte[]> _decoded = new(StringComparer.Ordinal);

    public SafetensorsFile File => file;

    /// <summary>The masked tensors, with their shapes.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Shapes =>
        file.Entries.Keys.Select(name => (name, Shape(name).Rows, Shape(name).Columns));

    public bool Has(string name) => file.Entries.ContainsKey(name);

    /// <summary>See <see cref="BitMask"/>.</summary>
    public ReadOnlySpan<byte> Bits(string name) =>
        _decoded.TryGetValue(name, out var bits) ? bits : file.Bytes(name);

    /// <summary>Checks all masks, and decodes those that are coded.</summary>
    /// <param name="kept">How many weights each keeps.</param>
    /// <exception cref="ModelFileException">One is damaged, or no mask.</exception>
    public void Read(IReadOnlyDictionary<string, long> kept)
    {
        if (Shapes.Where(mask => IsCoded(mask.Name)).Sum(mask => (long)mask.Rows * mask.Columns) > MostCodedWeights)
        {
            throw new ModelFileException(
                $"{file.Path}: its coded masks are of more than {MostCodedWeights} weights, which are not read.");
        }

        foreach (var (name, rows, columns) in Shapes)
        {
            var entry = file.Entry(name);
            var bytes = BitMask.ByteCount(rows, columns);
            if (entry.Type == SafetensorsTypes.UInt8 && IsCoded(name))
                _decoded.Add(name, Decode(entry, rows, columns));
            else if (entry.Type != SafetensorsTypes.UInt8 || entry.ByteCount != bytes)
            {
                throw new ModelFileException(
                    $"{file.Path}: {entry} is no mask of [{rows}, {columns}]; U8 [{bytes}] is needed.");
            }

            ThrowUnlessSound(name, (long)rows * columns, kept);
        }
    }

    public void Dispose() => file.Dispose();

    private void ThrowUnlessSound(string name, long count, IReadOnlyDictionary<string, long> kept)
    {
        var bits = Bits(name);
        if (!BitMask.HasZeroPadding(bits, count))
            throw new ModelFileException($"{file.Path}: the mask of '{name}' has ones behind its last weight.");
        var found = BitMask.PopCount(bits);
        if (!kept.TryGetValue(name, out var expected) || found != expected)
        {
            throw new ModelFileException(
                $"{file.Path}: the mask of '{name}' keeps {found} weights, {VersionFiles.ManifestFile} says "
                + $"{expected}. It is damaged; import the task again.");
        }
    }

    private byte[] Decode(SafetensorsEntry entry, int rows, int columns)
    {
        try
        {
            return MaskCode.Decode(file.Bytes(entry.Name), (long)rows * columns);
        }
        catch (FormatException exception)
        {
            throw new ModelFileException(
                $"{file.Path}: {entry} is no code of a mask [{rows}, {columns}]. {exception.Message} Import the task "
                + "again.",
                exception);
        }
    }

    private bool IsCoded(string name) =>
        file.Metadata.GetValueOrDefault(name)?.EndsWith(CodedMark, StringComparison.Ordinal) ?? false;

    /// <summary>A mask's shape, from the file's metadata: its bits alone do not tell.</summary>
    private (int Rows, int Columns) Shape(string name)
    {
        var text = file.Metadata.GetValueOrDefault(name) ?? "";
        var sizes = (IsCoded(name) ? text[..^CodedMark.Length] : text).Split('x');
        if (sizes.Length != 2 || !int.TryParse(sizes[0], out var rows) || !int.TryParse(sizes[1], out var columns)
            || rows <= 0 || columns <= 0 || (long)rows * columns > int.MaxValue)
        {
            throw new ModelFileException(
                $"{file.Path}: the metadata of '{name}' is '{text}'; its rows x columns are needed.");
        }

        return (rows, columns);
    }
}
