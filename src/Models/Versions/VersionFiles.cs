using System.Security.Cryptography;
using Serving.Models.Bert;
using Serving.Models.Safetensors;

namespace Serving.Models.Versions;

/// <summary>A task version's files: task.json, mask.safetensors, head.safetensors. Checked when it is opened.</summary>
/// <remarks>
/// The version is the SHA-256 of task.json, which has the digests of the other two: one flipped bit anywhere is another
/// version, or an error.
/// </remarks>
public sealed class VersionFiles : IMaskSource, IDisposable
{
    public const string ManifestFile = "task.json";
    public const string MaskFile = "mask.safetensors";
    public const string HeadFile = "head.safetensors";

    private readonly MaskFile _masks;
    private readonly SafetensorsFile _head;

    private VersionFiles(
        string folder, string version, VersionManifest manifest, MaskFile masks, SafetensorsFile head)
    {
        Folder = folder;
        Version = version;
        Manifest = manifest;
        _masks = masks;
        _head = head;
    }

    public string Folder { get; }

    /// <summary>SHA-256 of its contents, in lower-case hexadecimal.</summary>
    public string Version { get; }

    public VersionManifest Manifest { get; }

    /// <summary>The masked tensors, with their shapes.</summary>
    public IEnumerable<(string Name, int Rows, int Columns)> Masks => _masks.Shapes;

    /// <summary>Opens a folder and checks everything in it that does not depend on the backbone.</summary>
    /// <param name="expectedVersion">What the contents must hash to; null takes any.</param>
    /// <param name="digests">
    /// SHA-256 of files by name, of whoever has just written or read them; others are computed here.
    /// </param>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not the one that was meant.</exception>
    public static VersionFiles Open(
        string folder, string? expectedVersion = null, IReadOnlyDictionary<string, string>? digests = null)
    {
        var (manifest, version) = ReadManifestAndVersion(folder, expectedVersion);
        var masks = new MaskFile(SafetensorsFile.Open(Path.Combine(folder, MaskFile)));
        SafetensorsFile? head = null;
        try
        {
            head = SafetensorsFile.Open(Path.Combine(folder, HeadFile));
            ThrowUnlessDigest(masks.File, MaskFile, manifest, digests);
            ThrowUnlessDigest(head, HeadFile, manifest, digests);
            masks.Read(manifest.Kept);
            return new(folder, version, manifest, masks, head);
        }
        catch
        {
            head?.Dispose();
            masks.Dispose();
            throw;
        }
    }

    /// <summary>Reads and checks task.json alone.</summary>
    /// <param name="expectedVersion">What it must hash to.</param>
    /// <exception cref="ModelFileException">It is missing, damaged, or not the one that was meant.</exception>
    public static VersionManifest ReadManifest(string folder, string expectedVersion) =>
        ReadManifestAndVersion(folder, expectedVersion).Manifest;

    /// <summary>Checks that the masks and the head are for an encoder.</summary>
    /// <exception cref="ModelFileException">
    /// They are for another, or for other tokens, have other shapes, read pairs where the encoder does not, or a pooler
    /// that it lacks.
    /// </exception>
    public void ThrowUnlessFor(BertEncoder encoder)
    {
        var hasWeights = Manifest.HasWeights(encoder.Digest);
        if (encoder.Backbone is { } backbone ? !Manifest.IsFor(backbone) : !hasWeights)
        {
            throw new ModelFileException(
                $"{Folder} is for the backbone {Manifest.Backbone}; {encoder.Backbone?.Value ?? encoder.Digest} is "
                + (hasWeights
                    ? $"loaded: {Manifest.Change(encoder.Backbone!)}."
                    : "loaded. Load its backbone, or train the task on this one."));
        }

        if (Manifest.Inputs == TextInputs.Pair && !encoder.Config.ReadsPairs)
        {
            throw new ModelFileException(
                $"{Folder} reads pairs of texts, for which type_vocab_size in config.json must be 2 or more; it is "
                + $"{encoder.Config.Types}. Train the task on a backbone that tells two texts apart.");
        }

        if (Manifest.Pooling == Pooling.Pooler && !encoder.Config.HasPooler)
        {
            throw new ModelFileException(
                $"{Folder} reads BERT's pooler, which its backbone was saved without. Train the task again, with "
                + "cls or mean pooling.");
        }

        if (Manifest.Pruned?.Problem(encoder.Config) is { } problem)
        {
            throw new ModelFileException(
                $"{Path.Combine(Folder, ManifestFile)} leaves out parts that are none of its backbone's: {problem}.");
        }

        var maskable = BertTensors.Maskable(encoder.Config)
            .Append((BertTensors.ClassifierWeight, Manifest.Labels.Count, encoder.Config.Hidden))
            .ToDictionary(tensor => tensor.Item1, tensor => (tensor.Item2, tensor.Item3));
        foreach (var (name, rows, columns) in Masks)
        {
            if (!maskable.TryGetValue(name, out var shape))
                throw new ModelFileException($"{_masks.File.Path}: '{name}' is no weight that a task may mask.");
            if (shape != (rows, columns))
            {
                throw new ModelFileException(
                    $"{_masks.File.Path}: the mask of '{name}' is [{rows}, {columns}]; "
                    + $"the weight is [{shape.Item1}, {shape.Item2}].");
            }
        }

        ThrowUnlessShape(BertTensors.ClassifierWeight, [Manifest.Labels.Count, encoder.Config.Hidden]);
        ThrowUnlessShape(BertTensors.ClassifierBias, [Manifest.Labels.Count]);
    }

    public bool HasMask(string name) => _masks.Has(name);

    public ReadOnlySpan<byte> ReadMask(string name) => _masks.Bits(name);

    /// <summary>Reads the head's weight with its mask applied, [labels, hidden], and its bias.</summary>
    /// <exception cref="ModelFileException">A value is no finite number.</exception>
    public (float[] Weight, float[] Bias) ReadHead(int hidden)
    {
        var weight = new float[Manifest.Labels.Count * hidden];
        var bias = new float[Manifest.Labels.Count];
        _head.ReadFloats(BertTensors.ClassifierWeight, 0, weight);
        _head.ReadFloats(BertTensors.ClassifierBias, 0, bias);
        if (HasMask(BertTensors.ClassifierWeight))
        {
            var bits = ReadMask(BertTensors.ClassifierWeight);
            for (var i = 0; i < weight.Length; i++)
            {
                if (!BitMask.Keeps(bits, i))
                    weight[i] = 0f;
            }
        }

        if (!weight.All(float.IsFinite) || !bias.All(float.IsFinite))
            throw new ModelFileException($"{_head.Path} has values that are no finite numbers; train the head again.");
        return (weight, bias);
    }

    public void Dispose()
    {
        _masks.Dispose();
        _head.Dispose();
    }

    private static (VersionManifest Manifest, string Version) ReadManifestAndVersion(
        string folder, string? expectedVersion)
    {
        var path = Path.Combine(folder, ManifestFile);
        var json = ReadFile(path);
        var version = Convert.ToHexStringLower(SHA256.HashData(json));
        if (expectedVersion is not null && !string.Equals(version, expectedVersion, StringComparison.OrdinalIgnoreCase))
        {
            throw new ModelFileException(
                $"{path} hashes to {version}, not to its version {expectedVersion}: it was changed. Import it again.");
        }

        return (VersionManifest.Parse(path, json), version);
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException(
                $"{ModelFiles.WhyUnreadable(path, exception)} A task version is a folder with {ManifestFile}, "
                + $"{MaskFile} and {HeadFile}.",
                exception);
        }
    }

    private static void ThrowUnlessDigest(
        SafetensorsFile file, string name, VersionManifest manifest, IReadOnlyDictionary<string, string>? digests)
    {
        if (!manifest.Files.TryGetValue(name, out var expected))
            throw new ModelFileException($"{ManifestFile} beside {file.Path} has no digest of it; one is needed.");
        var digest = digests?.GetValueOrDefault(name) ?? file.Digest();
        if (!string.Equals(digest, expected, StringComparison.OrdinalIgnoreCase))
        {
            throw new ModelFileException(
                $"{file.Path} hashes to {digest}, {ManifestFile} says {expected}: it is damaged. "
                + "Import the task again.");
        }
    }

    private void ThrowUnlessShape(string name, ReadOnlySpan<long> shape)
    {
        var entry = _head.Entry(name);
        if (!entry.Shape.SequenceEqual(shape.ToArray()))
        {
            throw new ModelFileException(
                $"{_head.Path}: {entry} does not fit; [{string.Join(", ", shape.ToArray())}] is needed for "
                + $"{Manifest.Labels.Count} labels.");
        }
    }
}
