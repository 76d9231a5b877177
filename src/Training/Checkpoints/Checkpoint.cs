using System.Text.Json;
using Serving.Models;
using Serving.Models.Safetensors;
using Serving.Tensors;

namespace Serving.Training.Checkpoints;

/// <summary>A folder of checkpoints, from which training resumes: tensors by name, and a state.</summary>
/// <typeparam name="TState">Plain data that turns into JSON and back without loss.</typeparam>
public sealed class CheckpointFolder<TState>(string path)
    where TState : class
{
    private const string Prefix = "checkpoint-";
    private const string Unfinished = ".writing-";
    private const string StateFile = "state.json";
    private const string TensorsFile = "tensors.safetensors";

    /// <summary>Writes a checkpoint, then deletes older ones. If killed, the last complete one remains.</summary>
    public void Save(
        long step, TState state, IEnumerable<(string Name, Tensor Tensor)> tensors,
        IEnumerable<(string Name, byte[] Bytes)> blobs)
    {
        Directory.CreateDirectory(path);
        var writer = new SafetensorsWriter();
        foreach (var (name, tensor) in tensors)
            writer.Add(name, [tensor.Rows, tensor.Columns], tensor.ToArray());
        foreach (var (name, bytes) in blobs)
            writer.Add(name, SafetensorsTypes.UInt8, [bytes.Length], bytes);
        foreach (var unfinished in Directory.GetDirectories(path, Unfinished + "*"))
            Directory.Delete(unfinished, recursive: true);
        var temporary = Path.Combine(path, $"{Unfinished}{step}");
        Directory.CreateDirectory(temporary);
        Write(Path.Combine(temporary, TensorsFile), writer.Write);
        Write(Path.Combine(temporary, StateFile), file => JsonSerializer.Serialize(file, state));
        var target = Path.Combine(path, $"{Prefix}{step}");
        if (Directory.Exists(target))
            Directory.Delete(target, recursive: true); // The same step of the same job: the same contents.
        Directory.Move(temporary, target);
        foreach (var (older, folder) in Folders())
        {
            if (older != step)
                Directory.Delete(folder, recursive: true);
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

    private static void Write(string path, Action<Stream> write)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        write(file);
        file.Flush(flushToDisk: true);
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
