namespace Serving.Client;

/// <summary>The files of a version that come in, in a temporary folder until all are there.</summary>
internal sealed class VersionDownload : IDisposable
{
    public static readonly IReadOnlyList<string> All = ["task.json", "mask.safetensors", "head.safetensors"];

    private readonly string _folder;
    private readonly string _temporary;
    private FileStream? _file;
    private string _name = "";

    public VersionDownload(string folder)
    {
        _folder = Path.GetFullPath(folder);
        if (All.Any(name => File.Exists(Path.Combine(_folder, name))))
            throw new IOException($"{_folder} has files of a task version already; choose another folder.");
        _temporary = Path.Combine(Path.GetDirectoryName(_folder)!, $".receiving-{Guid.NewGuid():N}");
        Directory.CreateDirectory(_temporary);
    }

    public async Task AppendAsync(string name, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (name != _name)
        {
            if (!All.Contains(name, StringComparer.Ordinal))
                throw new IOException($"The server sent a file '{name}', which is no part of a task version.");
            _file?.Dispose();
            _file = new FileStream(Path.Combine(_temporary, name), FileMode.CreateNew, FileAccess.Write);
            _name = name;
        }

        await _file!.WriteAsync(data, cancellationToken).ConfigureAwait(false);
    }

    public void Finish()
    {
        _file?.Dispose();
        Directory.CreateDirectory(_folder);
        foreach (var path in Directory.EnumerateFiles(_temporary))
            File.Move(path, Path.Combine(_folder, Path.GetFileName(path)));
    }

    public void Dispose()
    {
        _file?.Dispose();
        Directory.Delete(_temporary, recursive: true);
    }
}
