using Serving.Storage;

namespace Serving.Hub.Sources;

/// <summary>
/// A folder that a model's files are gathered in. What an interrupted pull left there is gone on with.
/// </summary>
/// <remarks>A file that is not complete has another name, so that what is there under its own is checked.</remarks>
public sealed class ModelDraft
{
    private const string Partial = ".part-";

    private readonly IFileSystem _files;

    private ModelDraft(string folder, IFileSystem files) => (Folder, _files) = (folder, files);

    public string Folder { get; }

    public IFileSystem Files => _files;

    /// <summary>Opens a folder; what is in it stays if it is of the same revision.</summary>
    public static ModelDraft Open(string folder, ModelOrigin origin, IFileSystem files)
    {
        if (Directory.Exists(folder) && !origin.IsSame(ModelOrigin.Read(folder)))
            files.Delete(folder);
        files.EnsureFolder(folder);
        origin.Write(folder, files);
        return new(folder, files);
    }

    /// <summary>A name in the folder.</summary>
    /// <exception cref="ArgumentException">It leaves the folder.</exception>
    public string PathOf(string name) => name == Path.GetFileName(name) && name is not ("" or "." or "..")
        ? Path.Combine(Folder, name)
        : throw new ArgumentException($"'{name}' is a path; the name of a file is needed.", nameof(name));

    public bool Has(string name) => File.Exists(PathOf(name));

    /// <summary>Bytes of a file that are there, though it is not complete.</summary>
    public long PartBytes(string name) =>
        new FileInfo(PathOf(Partial + name)) is { Exists: true } file ? file.Length : 0;

    public Stream ReadPart(string name) => File.OpenRead(PartPath(name));

    /// <summary>Where a file is while it is not complete.</summary>
    public string PartPath(string name) => PathOf(Partial + name);

    /// <summary>Goes on with a file at its end; it is made if it is missing.</summary>
    public Stream AppendPart(string name) => _files.Append(PathOf(Partial + name));

    public void DropPart(string name) => _files.Delete(PathOf(Partial + name));

    /// <summary>Gives a file that is complete, checked and flushed its name.</summary>
    public void FinishPart(string name) => _files.Rename(PathOf(Partial + name), PathOf(name));

    /// <summary>A folder for what is not part of the model, which is not there yet.</summary>
    public string Scratch(string name)
    {
        var folder = PathOf(Partial + name);
        _files.Delete(folder);
        return folder;
    }

    /// <summary>Removes what is not part of the model.</summary>
    public void Tidy()
    {
        foreach (var path in Directory.GetFileSystemEntries(Folder, Partial + "*"))
            _files.Delete(path);
    }
}
