using System.Collections.Concurrent;
using System.Security.Cryptography;
using Grpc.Core;
using Serving.Models;
using Serving.Models.Bert;

namespace Serving.Server.Storage;

/// <summary>Model folders on disk: `models/NAME/` below the data root.</summary>
internal sealed class ModelStore
{
    private const string Unfinished = ".adding-";

    private readonly string _root;
    private readonly string[]? _chosen;
    private readonly ConcurrentDictionary<string, string> _problems = new(StringComparer.Ordinal);

    /// <param name="root">The folder of models; made if it is missing.</param>
    /// <param name="chosen">The models to load at the start; null for all there are.</param>
    public ModelStore(string root, string[]? chosen)
    {
        _root = Path.GetFullPath(root);
        _chosen = chosen;
        Directory.CreateDirectory(_root);
        foreach (var unfinished in Directory.EnumerateDirectories(_root, Unfinished + "*").ToList())
            Directory.Delete(unfinished, recursive: true);
    }

    /// <summary>Whether a model that can't be loaded stops the start: those that were asked for by name do.</summary>
    public bool MustLoad => _chosen is not null;

    /// <summary>All models, by name.</summary>
    public IReadOnlyList<string> Names =>
    [
        .. Directory.EnumerateDirectories(_root)
            .Select(folder => Path.GetFileName(folder))
            .Where(ResourceName.IsValid)
            .Order(StringComparer.Ordinal)
    ];

    public IReadOnlyList<string> NamesToLoad() => _chosen ?? Names;

    /// <summary>False if it could not be loaded before.</summary>
    public bool IsNew(string name) => Problem(name).Length == 0;

    /// <summary>Why a model could not be loaded; empty if it could, or was not tried.</summary>
    public string Problem(string name) => _problems.GetValueOrDefault(name, "");

    public void NoteProblem(string name, string problem) => _problems[name] = problem;

    /// <exception cref="ModelFileException">There is no such folder.</exception>
    public string Folder(string name) => Find(name)
        ?? throw new ModelFileException($"There is no folder '{name}' in {_root}; put the model there.");

    /// <summary>Copies a folder in as a model; one that is there with the same files stays.</summary>
    /// <exception cref="StorageException">Another model has the name.</exception>
    public void Add(string name, string folder)
    {
        if (Find(name) is { } present)
        {
            if (IsSame(present, folder))
                return;
            throw new StorageException($"There is a model '{name}' already; choose another name.");
        }

        var temporary = Path.Combine(_root, $"{Unfinished}{Guid.NewGuid():N}");
        Directory.CreateDirectory(temporary);
        try
        {
            foreach (var file in Directory.GetFiles(folder))
                DurableFile.Copy(file, Path.Combine(temporary, Path.GetFileName(file)));
            DurableFile.MoveFolder(temporary, Path.Combine(_root, name));
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }

    /// <exception cref="RpcException">NOT_FOUND</exception>
    public void Require(string name)
    {
        if (Find(name) is null)
            throw Errors.NotFound("model", name, Names);
    }

    /// <summary>A model's shape; null if its config.json can't be read, and then there is a problem.</summary>
    public BertConfig? ReadConfig(string name, out string problem)
    {
        problem = Problem(name);
        try
        {
            return BertConfig.Load(Path.Combine(Folder(name), "config.json"));
        }
        catch (ModelFileException exception)
        {
            problem = exception.Message;
            return null;
        }
    }

    private static bool IsSame(string one, string other)
    {
        string[] Files(string folder) =>
            [.. Directory.GetFiles(folder).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        return Files(one).SequenceEqual(Files(other), StringComparer.Ordinal)
            && Files(one).All(file => Digest(Path.Combine(one, file)) == Digest(Path.Combine(other, file)));
    }

    private static string Digest(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexString(SHA256.HashData(file));
    }

    private string? Find(string name) =>
        Path.Combine(_root, name) is var folder && Directory.Exists(folder) ? folder : null;
}
