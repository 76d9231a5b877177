using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Serving.Storage;

namespace Serving.Models;

/// <summary>A model's folder that is being written.</summary>
internal sealed class NewModelFolder
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    private readonly string _path;
    private readonly IFileSystem _files;

    /// <param name="files">Where to write; null for the disk.</param>
    /// <exception cref="IOException">The folder is there already, or can't be made.</exception>
    public NewModelFolder(string path, IFileSystem? files)
    {
        _path = path;
        _files = files ?? DiskFileSystem.Instance;
        if (Directory.Exists(path))
            throw new IOException($"{path} is there already; choose another name.");
        _files.EnsureFolder(path);
    }

    public void Write(string name, Action<Stream> contents) => _files.WriteNew(Path.Combine(_path, name), contents);

    public void Write(string name, JsonObject contents) =>
        Write(name, file => file.Write(Encoding.UTF8.GetBytes(contents.ToJsonString(Json) + "\n")));

    /// <summary>Makes sure that the files are found there after a power cut.</summary>
    public void Flush() => _files.FlushFolder(_path);
}
