using Serving.Models.Json;

namespace Serving.Models.Safetensors;

/// <summary>A model's weights: one safetensors file, or several with an index.</summary>
public sealed class WeightFiles : IDisposable
{
    private readonly List<SafetensorsFile> _files = [];
    private readonly Dictionary<string, SafetensorsFile> _fileOf = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SafetensorsEntry> _entries = new(StringComparer.Ordinal);

    private WeightFiles(string path) => Path = path;

    /// <summary>The one file, or the index; for messages.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => _entries;

    /// <summary>Maps a single file.</summary>
    /// <exception cref="ModelFileException">It is not there, or is no sound safetensors file.</exception>
    public static WeightFiles Open(string path) =>
        Open(path, files => files.Add(files.Map(path), isExpected: _ => true));

    /// <summary>Maps the files that an index names, which lie beside it.</summary>
    /// <exception cref="ModelFileException">
    /// One is missing or unsound, or a tensor is not where the index says.
    /// </exception>
    public static WeightFiles OpenIndexed(string indexPath) => Open(indexPath, files =>
    {
        var (map, shards) = ReadIndex(indexPath);
        var folder = System.IO.Path.GetDirectoryName(indexPath)!;
        var mapped = shards.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToDictionary(
            shard => shard, shard => files.MapShard(System.IO.Path.Combine(folder, shard)), StringComparer.Ordinal);
        foreach (var (shard, file) in mapped)
            files.Add(file, isExpected: name => shards.GetValueOrDefault(name) == shard);
        foreach (var name in shards.Keys.Where(name => !files._entries.ContainsKey(name)))
            throw map.Refusal(name, "that file has no such tensor. Fetch the files again");
    });

    /// <summary>The names of the files that an index names, which need not be there yet.</summary>
    /// <exception cref="ModelFileException">It is no index, or one that leads out of its folder.</exception>
    public static IReadOnlyList<string> ReadShardNames(string indexPath) =>
        [.. ReadIndex(indexPath).Shards.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>Reads elements of a tensor; see <see cref="SafetensorsFile.ReadFloats"/>.</summary>
    /// <exception cref="ModelFileException">It is not there, is no tensor of floats or has fewer elements.</exception>
    public void ReadFloats(string name, long first, Span<float> values)
    {
        _ = Entry(name);
        _fileOf[name].ReadFloats(name, first, values);
    }

    /// <summary>Checks values that were read of a tensor.</summary>
    /// <exception cref="ModelFileException">One is NaN or infinite.</exception>
    internal void ThrowUnlessFinite(SafetensorsEntry entry, ReadOnlySpan<float> values)
    {
        foreach (var value in values)
        {
            if (!float.IsFinite(value))
            {
                throw new ModelFileException(
                    $"{Path}: {entry} has values that are no finite numbers as float32. The training that wrote it "
                    + "went wrong, or the file is damaged: take an earlier state or fetch it again.");
            }
        }
    }

    /// <summary>A tensor by name.</summary>
    /// <exception cref="ModelFileException">It is not there.</exception>
    public SafetensorsEntry Entry(string name) => _entries.TryGetValue(name, out var entry)
        ? entry
        : throw new ModelFileException(
            $"{Path} has no tensor '{name}', which is needed; it has {_entries.Count} others.");

    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    private static WeightFiles Open(string path, Action<WeightFiles> add)
    {
        var files = new WeightFiles(path);
        try
        {
            add(files);
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <returns>Names of files by tensor, at least one.</returns>
    private static (JsonFields Map, Dictionary<string, string> Shards) ReadIndex(string path)
    {
        var index = JsonFields.Read(path, "index of weights");
        index.ThrowUnlessKnown(name => name is "metadata" or "weight_map");
        var map = index.Object("weight_map") ?? throw index.Refusal("weight_map", "files by tensor are needed");
        var shards = map.Names.ToDictionary(name => name, name => ShardName(map, name), StringComparer.Ordinal);
        return shards.Count > 0 ? (map, shards) : throw index.Refusal("weight_map", "files by tensor are needed");
    }

    /// <summary>The file of a tensor: a name, not a path that leads out of the folder.</summary>
    private static string ShardName(JsonFields map, string tensor)
    {
        var shard = map.Text(tensor)!;
        return shard == System.IO.Path.GetFileName(shard) && !shard.Contains('\\') && shard is not ("" or "." or "..")
            ? shard
            : throw map.Refusal(tensor, "the name of a file beside the index is needed");
    }

    private SafetensorsFile MapShard(string path) => ModelFiles.IsThere(path)
        ? Map(path)
        : throw new ModelFileException($"{path} is missing, which {ModelFiles.WeightIndex} names. Fetch it, too.");

    private SafetensorsFile Map(string path)
    {
        var file = SafetensorsFile.Open(path);
        _files.Add(file);
        return file;
    }

    private void Add(SafetensorsFile file, Func<string, bool> isExpected)
    {
        foreach (var (name, entry) in file.Entries)
        {
            if (!isExpected(name))
            {
                throw new ModelFileException(
                    $"{file.Path}: the index {Path} does not say that '{name}' is here; they don't belong together. "
                    + "Fetch the files again.");
            }

            _entries.Add(name, entry);
            _fileOf.Add(name, file);
        }
    }
}
