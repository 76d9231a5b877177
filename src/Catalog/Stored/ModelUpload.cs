using Serving.Models;
using Serving.Models.Kinds;
using Serving.Models.Onnx;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>The files of a model as they come in, until they are checked and the model gets its name.</summary>
/// <remarks>They lie in a hidden folder; whatever of it is left goes when the upload is disposed.</remarks>
public sealed class ModelUpload : IDisposable
{
    private const int MostFiles = 1000;
    private const int MostNameShown = 40;

    /// <summary>The endings of files that say something of a model; pickles are never read.</summary>
    private static readonly string[] Endings = [".json", ".txt", ".safetensors", ".onnx", ".md"];

    private static readonly string[] Notes = ["LICENSE", "NOTICE"];

    private readonly IFileSystem _files;
    private readonly string _folder;
    private readonly long _maxBytes;
    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);
    private Stream? _file;
    private string? _name;
    private long _bytes;

    /// <param name="folder">Hidden; made here.</param>
    /// <param name="maxBytes">Of all files together.</param>
    internal ModelUpload(string folder, long maxBytes, IFileSystem files)
    {
        (_folder, _maxBytes, _files) = (folder, maxBytes, files);
        files.CreateFolder(folder);
        files.CreateFolder(Received);
    }

    private string Received => Path.Combine(_folder, "received");

    private string Converted => Path.Combine(_folder, "converted");

    /// <summary>Adds bytes to a file; another name than the last begins the next file.</summary>
    /// <exception cref="DomainException">It is no file of a model, one that was ended, or one too large.</exception>
    public async Task AppendAsync(string name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (name != _name)
            Begin(name);
        _bytes += data.Length;
        if (_bytes > _maxBytes)
        {
            throw DomainException.TooLarge(
                $"The model has more than {_maxBytes} bytes", "that is the most that this server takes for one",
                "raise Server:MaxModelBytes, or copy the folder into the data root");
        }

        await _file!.WriteAsync(data, cancellationToken);
    }

    /// <summary>
    /// Flushes the files, makes a Hugging Face folder of an ONNX export, and reads the model as it is read to be run.
    /// </summary>
    /// <returns>The folder, which is to be moved to its place.</returns>
    /// <exception cref="ModelFileException">It is no model that can run here.</exception>
    /// <exception cref="DomainException">There are weights in two forms.</exception>
    public string Finish()
    {
        EndFile();
        try
        {
            var folder = IsOnnx() ? Convert() : Received;
            _ = ModelKinds.Open(folder).ReadDigest();
            return folder;
        }
        catch (ModelFileException exception)
        {
            var message = exception.Message
                .Replace(Received + Path.DirectorySeparatorChar, "", StringComparison.Ordinal)
                .Replace(Converted + Path.DirectorySeparatorChar, "", StringComparison.Ordinal)
                .Replace(Received, "The upload", StringComparison.Ordinal);
            throw new ModelFileException(message, exception);
        }
    }

    public void Dispose()
    {
        try
        {
            _file?.Dispose(); // Writes what is left of it, for which there may be no room.
        }
        catch (IOException)
        {
            // It goes with the folder.
        }

        _files.TryDelete(_folder);
    }

    private string Convert()
    {
        OnnxImport.Convert(Received, Converted, _files);
        return Converted;
    }

    /// <exception cref="DomainException">There are weights in two forms.</exception>
    private bool IsOnnx()
    {
        if (!_names.Contains(ModelFiles.Onnx))
            return false;
        return _names.FirstOrDefault(name => name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase))
            is not { } other
            ? true
            : throw DomainException.Invalid(
                "chunk.file", $"Weights came as {ModelFiles.Onnx} and as {other}", "one form of them is needed");
    }

    private void Begin(string name)
    {
        var shown = name.Length > MostNameShown ? name[..MostNameShown] + "..." : name;
        var isPlain = name == Path.GetFileName(name) && !name.Contains('\\') && !name.StartsWith('.')
            && name.Length is > 0 and <= byte.MaxValue && !name.Any(char.IsControl);
        if (!isPlain)
            throw DomainException.Invalid("chunk.file", $"'{shown}' is no name of a file", "no folders are taken");
        if (!Endings.Contains(Path.GetExtension(name), StringComparer.OrdinalIgnoreCase) && !Notes.Contains(name))
        {
            throw DomainException.Invalid(
                "chunk.file", $"'{shown}' is no file of a model that is read",
                $"names end in {string.Join(", ", Endings)}, or are {string.Join(" or ", Notes)}");
        }

        EndFile();
        if (!_names.Add(name))
        {
            throw DomainException.Invalid(
                "chunk.file", $"{shown} comes a second time", "a file's chunks follow one another");
        }

        if (_names.Count > MostFiles)
        {
            throw DomainException.Invalid(
                "chunk.file", $"There are more than {MostFiles} files", "no model has so many");
        }

        _file = _files.Create(Path.Combine(Received, name));
        _name = name;
    }

    private void EndFile()
    {
        if (_file is null)
            return;
        _files.Flush(_file);
        _file.Dispose();
        _file = null;
    }
}
