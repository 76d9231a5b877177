using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Serving.Models.Parameters;
using Serving.Models.Safetensors;
using Serving.Storage;
using Serving.Tensors;

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

    /// <summary>Writes model.safetensors with parameters as they are.</summary>
    /// <param name="isVector">Whether the file has a parameter without its dimension of one row.</param>
    /// <param name="format">How weights are kept in the file.</param>
    public void WriteWeights(
        IEnumerable<(string Name, int Rows, int Columns)> parameters, Func<string, bool> isVector,
        IParameterSource weights, WeightFormat format)
    {
        var writer = new SafetensorsWriter();
        writer.Metadata.Add("format", "pt");
        foreach (var (name, rows, columns) in parameters)
        {
            var values = new float[checked(rows * columns)];
            weights.Read(name, rows, columns, 0, values);
            writer.Add(name, isVector(name) ? [columns] : [rows, columns], values, format);
        }

        Write(ModelFiles.Weights, writer.Write);
    }

    /// <summary>Makes sure that the files are found there after a power cut.</summary>
    public void Flush() => _files.FlushFolder(_path);
}
