namespace Serving.Testing.PowerCut;

/// <summary>A file or folder of a <see cref="Disk"/>, whatever its name is at the time.</summary>
internal abstract class Node;

/// <summary>What is in a file now, and what of it is on disk.</summary>
internal sealed class FileNode(byte[] bytes) : Node
{
    public byte[] Now { get; set; } = bytes;

    public byte[] Durable { get; set; } = bytes;
}

/// <summary>The names in a folder as they are on disk; later changes of them are the disk's pending ones.</summary>
internal sealed class FolderNode : Node
{
    public SortedDictionary<string, Node> Now { get; } = new(StringComparer.Ordinal);

    public SortedDictionary<string, Node> Durable { get; } = new(StringComparer.Ordinal);
}

/// <summary>
/// A disk behind a cache, by the letter of POSIX: contents of a file last when it is flushed, names when their folder
/// is. What was not flushed may be there or not, in any selection; a rename is there as a whole or not.
/// </summary>
internal sealed class Disk
{
    private readonly FolderNode _root;
    private readonly Dictionary<int, FileNode> _open = [];
    private readonly List<List<(FolderNode Folder, string Name, Node? Node)>> _pending = [];

    /// <param name="folder">What is durable to begin with.</param>
    public Disk(string folder) => _root = Read(folder);

    /// <summary>How many changes of names are not durable.</summary>
    public int Pending => _pending.Count;

    public void Apply(Step step)
    {
        switch (step)
        {
            case Step.CreateFile create:
                Change((create.Path, new FileNode([])));
                break;
            case Step.CreateFolder create:
                Change((create.Path, new FolderNode()));
                break;
            case Step.Open open:
                _open[open.File] = (FileNode)Find(open.Path);
                break;
            case Step.Write write:
                Write(_open[write.File], write.Offset, write.Bytes);
                break;
            case Step.Flush flush:
                _open[flush.File].Durable = _open[flush.File].Now;
                break;
            case Step.Truncate truncate:
                var file = (FileNode)Find(truncate.Path);
                file.Durable = file.Now = file.Now[..(int)truncate.Length];
                break;
            case Step.Rename rename:
                Change((rename.From, null), (rename.To, Find(rename.From)));
                break;
            case Step.Delete delete:
                Change((delete.Path, null));
                break;
            case Step.FlushFolder flush:
                Flush((FolderNode)Find(flush.Path));
                break;
        }
    }

    /// <summary>Writes what is left after a loss of power.</summary>
    /// <param name="kept">Which of the pending changes of names had reached the disk.</param>
    /// <param name="share">How much of what was written but not flushed had, 0 to 1.</param>
    public void Save(string folder, Func<int, bool> kept, double share)
    {
        var names = new Dictionary<FolderNode, SortedDictionary<string, Node>>();
        for (var i = 0; i < _pending.Count; i++)
        {
            if (!kept(i))
                continue;
            foreach (var (changed, name, node) in _pending[i])
                Set(Names(changed), name, node);
        }

        Save(_root, folder);

        SortedDictionary<string, Node> Names(FolderNode node) => names.TryGetValue(node, out var changed)
            ? changed
            : names[node] = new(node.Durable, StringComparer.Ordinal);

        void Save(FolderNode node, string path)
        {
            Directory.CreateDirectory(path);
            foreach (var (name, child) in Names(node))
            {
                if (child is FolderNode below)
                    Save(below, Path.Combine(path, name));
                else
                    File.WriteAllBytes(Path.Combine(path, name), Left((FileNode)child, share));
            }
        }
    }

    /// <summary>Appended bytes are cut off somewhere; bytes that were overwritten are old or new.</summary>
    private static byte[] Left(FileNode file, double share)
    {
        var common = Math.Min(file.Durable.Length, file.Now.Length);
        var appended = Math.Max(0, file.Now.Length - file.Durable.Length);
        var same = file.Durable.AsSpan(0, common).SequenceEqual(file.Now.AsSpan(0, common));
        return same
            ? [.. file.Durable, .. file.Now.AsSpan(common, (int)(appended * share))]
            : share > 0 ? file.Now : file.Durable;
    }

    private static void Write(FileNode file, long offset, byte[] bytes)
    {
        var now = new byte[Math.Max(file.Now.Length, (int)offset + bytes.Length)];
        file.Now.CopyTo(now, 0);
        bytes.CopyTo(now, offset);
        file.Now = now;
    }

    private void Change(params (string Path, Node? Node)[] changes)
    {
        var pending = new List<(FolderNode, string, Node?)>();
        foreach (var (path, node) in changes)
        {
            var (folder, name) = Split(path);
            Set(folder.Now, name, node);
            pending.Add((folder, name, node));
        }

        _pending.Add(pending);
    }

    private void Flush(FolderNode folder)
    {
        foreach (var change in _pending.Where(change => change.Exists(part => part.Folder == folder)).ToList())
        {
            foreach (var (changed, name, node) in change)
                Set(changed.Durable, name, node);
            _pending.Remove(change);
        }
    }

    private static void Set(SortedDictionary<string, Node> names, string name, Node? node)
    {
        if (node is null)
            names.Remove(name);
        else
            names[name] = node;
    }

    private Node Find(string path)
    {
        if (path == ".")
            return _root;
        var (folder, name) = Split(path);
        return folder.Now[name];
    }

    private (FolderNode Folder, string Name) Split(string path)
    {
        var slash = path.LastIndexOf('/');
        return slash < 0 ? (_root, path) : ((FolderNode)Find(path[..slash]), path[(slash + 1)..]);
    }

    private static FolderNode Read(string folder)
    {
        var node = new FolderNode();
        foreach (var below in Directory.GetDirectories(folder))
            node.Durable.Add(Path.GetFileName(below), Read(below));
        foreach (var file in Directory.GetFiles(folder))
            node.Durable.Add(Path.GetFileName(file), new FileNode(File.ReadAllBytes(file)));
        foreach (var (name, child) in node.Durable)
            node.Now.Add(name, child);
        return node;
    }
}
