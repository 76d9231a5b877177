using System.Security.Cryptography;
using System.Text;
using Serving.Storage;

namespace Serving.Testing.PowerCut;

/// <summary>The disk, with a record of each change below a root: every loss of power can be replayed from it.</summary>
public sealed class RecordingFileSystem : IFileSystem
{
    private const int MostSelected = 6; // Of so many changes that were not flushed, each selection is tried.

    private static readonly double[] Shares = [0, 0.5, 1];

    private readonly IFileSystem _inner = DiskFileSystem.Instance;
    private readonly string _root;
    private readonly Func<Disk> _begin;
    private readonly List<Step> _steps = [];
    private int _files;

    /// <param name="root">Its present contents are durable.</param>
    /// <param name="copy">Gets a copy of them.</param>
    public RecordingFileSystem(string root, string copy)
    {
        _root = Path.GetFullPath(root);
        Copy(_root, copy);
        _begin = () => new(copy);
    }

    public Stream Create(string path)
    {
        var stream = _inner.Create(path);
        _steps.Add(new Step.CreateFile(Relative(path)));
        return Record(path, stream);
    }

    public Stream Append(string path)
    {
        var isNew = !File.Exists(path);
        var stream = _inner.Append(path);
        if (isNew)
            _steps.Add(new Step.CreateFile(Relative(path)));
        return Record(path, stream);
    }

    public void Flush(Stream file)
    {
        var recorded = (RecordedStream)file;
        recorded.Flush();
        _steps.Add(new Step.Flush(recorded.Number));
    }

    public void Truncate(string path, long length)
    {
        _inner.Truncate(path, length);
        _steps.Add(new Step.Truncate(Relative(path), length));
    }

    public void Rename(string from, string to)
    {
        _inner.Rename(from, to);
        _steps.Add(new Step.Rename(Relative(from), Relative(to)));
    }

    public void CreateFolder(string path)
    {
        if (Directory.Exists(path))
            return;
        CreateFolder(Path.GetDirectoryName(path)!);
        _inner.CreateFolder(path);
        _steps.Add(new Step.CreateFolder(Relative(path)));
    }

    public void Delete(string path)
    {
        if (Directory.Exists(path))
        {
            foreach (var entry in Directory.GetFileSystemEntries(path).Order(StringComparer.Ordinal))
                Delete(entry);
        }
        else if (!File.Exists(path))
        {
            return;
        }

        _inner.Delete(path);
        _steps.Add(new Step.Delete(Relative(path)));
    }

    public void FlushFolder(string path)
    {
        _inner.FlushFolder(path);
        _steps.Add(new Step.FlushFolder(Relative(path)));
    }

    /// <summary>Makes each state that a loss of power can leave, before the first step, after each, and at the end.
    /// </summary>
    /// <param name="folder">Gets one state after the other.</param>
    /// <param name="check">
    /// Sees a state in the folder, and whether all steps had been done: then nothing may be lost.
    /// </param>
    /// <returns>How many states there were.</returns>
    public int Replay(string folder, Action<bool> check)
    {
        var disk = _begin();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var step = 0; ; step++)
        {
            var isDone = step == _steps.Count;
            foreach (var (kept, share) in Cuts(disk.Pending))
            {
                Clear(folder);
                disk.Save(folder, kept, share);
                if (!seen.Add($"{isDone} {Digest(folder)}"))
                    continue;
                try
                {
                    check(isDone);
                }
                catch (Exception exception)
                {
                    throw new InvalidOperationException(Describe(step, disk.Pending, kept, share), exception);
                }
            }

            if (isDone)
                return seen.Count;
            disk.Apply(_steps[step]);
        }
    }

    private static IEnumerable<(Func<int, bool> Kept, double Share)> Cuts(int pending)
    {
        foreach (var share in Shares)
        {
            if (pending <= MostSelected)
            {
                for (var selection = 0; selection < 1 << pending; selection++)
                {
                    var bits = selection;
                    yield return (i => (bits >> i & 1) != 0, share);
                }

                continue;
            }

            for (var some = 0; some <= pending; some++)
            {
                var one = some;
                yield return (i => i < one, share);
                yield return (i => i >= one, share);
                yield return (i => i != one, share);
            }
        }
    }

    private string Describe(int step, int pending, Func<int, bool> kept, double share) =>
        $"After {step} steps, of {pending} changes of names kept: "
        + $"{string.Join(' ', Enumerable.Range(0, pending).Where(kept))}; of unflushed bytes: {share}. "
        + "The last steps:\n"
        + string.Join('\n', _steps.Take(step).TakeLast(12));

    private RecordedStream Record(string path, Stream stream)
    {
        var recorded = new RecordedStream(stream, ++_files, _steps.Add);
        _steps.Add(new Step.Open(Relative(path), recorded.Number));
        return recorded;
    }

    private string Relative(string path) => Path.GetRelativePath(_root, Path.GetFullPath(path)).Replace('\\', '/');

    private static void Clear(string folder)
    {
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var folder in Directory.GetDirectories(from))
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
        foreach (var file in Directory.GetFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    private static string Digest(string folder)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{Path.GetRelativePath(folder, path)}\n"));
            if (File.Exists(path))
                hash.AppendData(SHA256.HashData(File.ReadAllBytes(path)));
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
