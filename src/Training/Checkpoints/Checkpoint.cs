using System.Text.Json;
using Serving.Models;
using Serving.Models.Safetensors;
using Serving.Storage;
using Serving.Tensors;

namespace Serving.Training.Checkpoints;

/// <summary>A folder of checkpoints, from which training resumes: tensors by name, and a state.</summary>
/// <typeparam name="TState">Plain data that turns into JSON and back without loss.</typeparam>
/// <param name="files">Where to write; null for the disk.</param>
public sealed class CheckpointFolder<TState>(string path, IFileSystem? files = null)
    where TState : class
{
    private const string Prefix = "checkpoint-";
    private const string StateFile = "state.json";
    private const string TensorsFile = "tensors.safetensors";

    private readonly IFileSystem _files = files ?? DiskFileSystem.Instance;

    /// <summary>
    /// Writes a checkpoint and, once it is on disk, deletes older ones. Whenever power goes, a complete one remains.
    /// </summary>
    public void Save(
        long step, TState state, IEnumerable<(string Name, Tensor Tensor)> tensors,
        IEnumerable<(string Name, byte[] Bytes)> blobs)
    {
        _files.EnsureFolder(path);
        var writer = new SafetensorsWriter();
        foreach (var (name, tensor) in tensors)
            writer.Add(name, [tensor.Rows, tensor.Columns], tensor.ToArray());
        foreach (var (name, bytes) in blobs)
            writer.Add(name, SafetensorsTypes.UInt8, [bytes.Length], bytes);
        foreach (var unfinished in Directory.GetDirectories(path, DurableFile.Unfinished + "*"))
            _files.Delete(unfinished);
        var target = Path.Combine(path, $"{Prefix}{step}");
        if (!Directory.Exists(target)) // The same step of the same job has the same contents.
        {
            var temporary = Path.Combine(path, $"{DurableFile.Unfinished}{step}");
            try
            {
                _files.CreateFolder(temporary);
                _files.WriteNew(Path.Combine(temporary, TensorsFile), writer.Write);
                _files.WriteNew(
                    Path.Combine(temporary, StateFile), file => JsonSerializer.Serialize(file, state));
                _files.MoveFolder(temporary, target);
            }
            catch
            {
                _files.TryDelete(temporary); // It may be what fills the disk.
                throw;
            }
        }

        foreach (var (older, folder) in Folders())
        {
            if (older != step)
                _files.DeleteFolder(folder, Path.Combine(path, $"{DurableFile.Unfinished}{older}"));
        }
    }

    /// <summary>The latest checkpoint; null if there is none.</summary>
    /// <exception cref="ModelFileException">It is damaged.</exception>
    public Checkpoint<TState>? Open()
    {
        if (!Directory.Exists(path))
            return null;
        var latest = Folders().OrderByDescending(entry => entry.Step).Select(entry => entry.Folder).FirstOrDefault();
        if (latest is null)
            return null;
        try
        {
            var state = JsonSerializer.Deserialize<TState>(File.ReadAllText(Path.Combine(latest, StateFile)))!;
            return new(state, SafetensorsFile.Open(Path.Combine(latest, TensorsFile)));
        }
        catch (Exception exception) when (exception is JsonException or IOException)
        {
            throw new ModelFileException(
                $"{latest} is no checkpoint: {exception.Message}. Delete it to begin again.", exception);
        }
    }

    private IEnumerable<(long Step, string Folder)> Folders()
    {
        foreach (var folder in Directory.GetDirectories(path, Prefix + "*"))
        {
            if (long.TryParse(Path.GetFileName(folder)[Prefix.Length..], out var step))
                yield return (step, folder);
        }
    }

}

/// <summary>An open checkpoint.</summary>
public sealed class Checkpoint<TState>(TState state, SafetensorsFile file) : IDisposable
{
    public TState State { get; } = state;

    /// <summary>Copies a tensor's values in.</summary>
    /// <exception cref="ModelFileException">It is not there or has another shape.</exception>
    public void Read(string name, Tensor tensor)
    {
        var entry = file.Entry(name);
        if (!entry.Shape.SequenceEqual([tensor.Rows, tensor.Columns]))
        {
            throw new ModelFileException(
                $"{file.Path}: {entry} does not fit {tensor}; the checkpoint is of another job.");
        }

        var values = new float[tensor.Rows * tensor.Columns];
        file.ReadFloats(name, 0, values);
        tensor.CopyFrom(values);
    }

    public byte[] ReadBytes(string name)
    {
        _ = file.Entry(name);
        return file.Bytes(name).ToArray();
    }

    public void Dispose() => file.Dispose();
}
