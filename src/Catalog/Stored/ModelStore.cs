using System.Collections.Concurrent;
using System.Security.Cryptography;
using Serving.Models;
using Serving.Models.Kinds;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>Model folders on disk: `models/NAME/` below the data root.</summary>
public sealed class ModelStore
{
    private const string Unfinished = ".adding-";

    private readonly string _root;
    private readonly string[]? _chosen;
    private readonly IFileSystem _files;
    private readonly ConcurrentDictionary<string, string> _problems = new(StringComparer.Ordinal);

    // By name, each with what its files looked like when they were digested.
    private readonly ConcurrentDictionary<string, (string Files, string Digest)> _digests = new(StringComparer.Ordinal);

    /// <param name="root">The folder of models; made if it is missing.</param>
    /// <param name="chosen">The models to load at the start; null for all there are.</param>
    public ModelStore(string root, string[]? chosen, IFileSystem files)
    {
        _root = Path.GetFullPath(root);
        _chosen = chosen;
        _files = files;
        files.EnsureFolder(_root);
        foreach (var unfinished in Directory.EnumerateDirectories(_root, Unfinished + "*").ToList())
            files.Delete(unfinished);
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
    /// <exception cref="DomainException">Another model has the name.</exception>
    public void Add(string name, string folder)
    {
        if (Find(name) is { } present)
        {
            if (IsSame(present, folder))
                return;
            throw DomainException.AlreadyExists(
                "model", name, $"There is a model '{name}' already", "choose another name");
        }

        var temporary = Path.Combine(_root, $"{Unfinished}{Guid.NewGuid():N}");
        _files.CreateFolder(temporary);
        try
        {
            foreach (var file in Directory.GetFiles(folder))
                _files.Copy(file, Path.Combine(temporary, Path.GetFileName(file)));
            _files.MoveFolder(temporary, Path.Combine(_root, name));
        }
        finally
        {
            _files.Delete(temporary);
        }
    }

    /// <exception cref="DomainException">There is none.</exception>
    public void Require(string name)
    {
        if (Find(name) is null)
            throw DomainException.NotFound("model", name, Names);
    }

    /// <summary>A model's shape; null if its config.json can't be read, and then there is a problem.</summary>
    public ModelShape? ReadShape(string name, out string problem)
    {
        problem = Problem(name);
        try
        {
            return ModelKinds.Open(Folder(name)).ReadShape();
        }
        catch (ModelFileException exception)
        {
            problem = exception.Message;
            return null;
        }
    }

    /// <summary>Notes a model's digest, which is known once it is loaded.</summary>
    public void NoteDigest(string name, string digest) => _digests[name] = (Look(Folder(name)), digest);

    /// <summary>The model with a digest, whether it is loaded or not; null if there is none.</summary>
    /// <remarks>Reads the weights of models whose digest is not known, a second for a gigabyte.</remarks>
    public string? FindByDigest(string digest) =>
        Names.FirstOrDefault(name => IsKnown(name) && Has(name, digest))
        ?? Names.FirstOrDefault(name => !IsKnown(name) && TryReadDigest(name) && Has(name, digest));

    private bool Has(string name, string digest) =>
        string.Equals(_digests[name].Digest, digest, StringComparison.OrdinalIgnoreCase);

    private bool IsKnown(string name) =>
        _digests.TryGetValue(name, out var known) && Find(name) is { } folder && known.Files == Look(folder);

    private bool TryReadDigest(string name)
    {
        try
        {
            NoteDigest(name, ModelKinds.Open(Folder(name)).ReadDigest());
            return true;
        }
        catch (ModelFileException)
        {
            return false; // It can't be a backbone; loading it says why.
        }
    }

    /// <summary>Sizes and times of the files that a digest depends on.</summary>
    private static string Look(string folder) => string.Join(' ', ((string[])[ModelFiles.Config, ModelFiles.Weights])
        .Select(name => new FileInfo(Path.Combine(folder, name)))
        .Select(file => file.Exists ? $"{file.Length} {file.LastWriteTimeUtc.Ticks}" : "none"));

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
