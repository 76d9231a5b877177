using System.Collections.Concurrent;
using System.Security.Cryptography;
using Serving.Models;
using Serving.Models.Kinds;
using Serving.Models.Versions;
using Serving.Storage;

namespace Serving.Catalog.Stored;

/// <summary>Model folders on disk: `models/NAME/` below the data root.</summary>
public sealed class ModelStore
{
    private const string Unfinished = ".adding-";
    private const string Gathered = ".pulling-";
    private const string Replaced = ".replaced-";
    private const string PinsFile = "backbones.json";

    private readonly string _root;
    private readonly string[]? _chosen;
    private readonly IFileSystem _files;
    private readonly ConcurrentDictionary<string, string> _problems = new(StringComparer.Ordinal);

    // By name, each with what its files looked like when they were digested.
    private readonly ConcurrentDictionary<string, (string Files, BackboneDigest Digest)> _digests =
        new(StringComparer.Ordinal);

    private readonly BackbonePins _pins;

    /// <param name="root">The folder of models; made if it is missing.</param>
    /// <param name="chosen">The models to load at the start; null for all there are.</param>
    public ModelStore(string root, string[]? chosen, IFileSystem files)
    {
        _root = Path.GetFullPath(root);
        _chosen = chosen;
        _files = files;
        files.EnsureFolder(_root);
        foreach (var unfinished in Directory.EnumerateDirectories(_root, Unfinished + "*").ToList())
            files.TryDelete(unfinished);
        foreach (var replaced in Directory.EnumerateDirectories(_root, Replaced + "*").ToList())
            EndReplacement(replaced);
        _pins = new(Path.Combine(_root, PinsFile), files);
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
            _files.TryDelete(temporary);
        }
    }

    /// <summary>
    /// A hidden folder that a model's files are gathered in before it gets its name. It survives the server's end, so
    /// that a download goes on.
    /// </summary>
    public string DraftFolder(string name) => Path.Combine(_root, Gathered + name);

    /// <summary>Begins to receive a model's files; what is left of an earlier one goes at the start.</summary>
    /// <param name="maxBytes">Of all files together.</param>
    public ModelUpload BeginUpload(long maxBytes) =>
        new(Path.Combine(_root, $"{Unfinished}{Guid.NewGuid():N}"), maxBytes, _files);

    /// <summary>Deletes a model's files: they are gone as a whole, or not at all.</summary>
    /// <returns>The bytes that are free again.</returns>
    /// <exception cref="DomainException">There is none of this name.</exception>
    public long Delete(string name)
    {
        Require(name);
        var folder = Folder(name);
        var bytes = FolderLook.Files(folder).Sum(file => FolderLook.Target(file)?.Length ?? 0);
        _files.DeleteFolder(folder, Path.Combine(_root, $"{Unfinished}{Guid.NewGuid():N}"));
        _problems.TryRemove(name, out _);
        _digests.TryRemove(name, out _);
        return bytes;
    }

    /// <summary>What a model's files are known by; null if they can't be read, and no task needs them then.</summary>
    public BackboneDigest? FindDigest(string name) =>
        IsKnown(name) || TryReadDigest(name) ? _digests[name].Digest : null;

    /// <summary>Gives a folder that was gathered its name; it is there as a whole, or not at all.</summary>
    /// <param name="replace">Whether it takes the place of a model that has the name.</param>
    /// <exception cref="DomainException">Another model has the name.</exception>
    public void Place(string name, string folder, bool replace)
    {
        var (place, replaced) = (Path.Combine(_root, name), Path.Combine(_root, Replaced + name));
        ThrowIfTaken(name, replace);
        if (Has(name))
            _files.MoveFolder(place, replaced); // From here on to the end the next start would undo it.

        try
        {
            _files.MoveFolder(folder, place);
        }
        finally
        {
            if (Directory.Exists(replaced))
                EndReplacement(replaced);
        }

        NoteProblem(name, problem: "");
    }

    /// <exception cref="DomainException">A model has the name, and may not be replaced.</exception>
    public void ThrowIfTaken(string name, bool mayReplace)
    {
        if (Has(name) && !mayReplace)
        {
            throw DomainException.AlreadyExists(
                "model", name, $"There is a model '{name}' already",
                "give it another name, or let it take that one's place (replace)");
        }
    }

    /// <summary>Whether there is a model of a name.</summary>
    public bool Has(string name) => Find(name) is not null;

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

    /// <summary>Names, sizes and times of a model's files, on all of which its digest may depend.</summary>
    public string Look(string name) => FolderLook.Of(Folder(name));

    /// <summary>Notes a model's digest, which is known once it is loaded.</summary>
    /// <param name="look">What its files looked like before they were read.</param>
    public void NoteDigest(string name, string look, BackboneDigest digest) => _digests[name] = (look, digest);

    /// <summary>Whether versions that know their backbone by its weights alone are for this one.</summary>
    public bool IsMeantByWeights(BackboneDigest backbone) => _pins.Mean(backbone);

    /// <summary>Why a version can't be served by a model that has its weights, but is not the one it is for.</summary>
    public string WhyNot(VersionManifest manifest, BackboneDigest backbone) =>
        manifest.BackboneParts is null && _pins.Problem is { } problem ? problem : manifest.Change(backbone);

    /// <summary>The model with a digest, whether it is loaded or not; null if there is none.</summary>
    /// <param name="digest">Of a backbone, or of its weights alone.</param>
    /// <remarks>Reads the weights of models whose digest is not known, a second for a gigabyte.</remarks>
    public string? FindByDigest(string digest) =>
        Names.FirstOrDefault(name => IsKnown(name) && Has(name, digest))
        ?? Names.FirstOrDefault(name => !IsKnown(name) && TryReadDigest(name) && Has(name, digest));

    /// <summary>Checks that a model, as its files are now, is the one that a version is for.</summary>
    /// <exception cref="DomainException">It is another.</exception>
    /// <exception cref="ModelFileException">A file is missing, damaged, or not as config.json says.</exception>
    public void ThrowUnlessFor(string name, string task, VersionManifest manifest)
    {
        if (!IsKnown(name))
            ReadDigest(name);
        if (Has(name, manifest.Backbone))
            return;
        var backbone = _digests[name].Digest;
        throw DomainException.FailedPrecondition(
            $"tasks/{task}",
            $"The task '{task}' is for the backbone {manifest.Backbone}, and the files of the model '{name}' have "
            + $"become {backbone.Value}",
            remedy: manifest.HasWeights(backbone.Weights)
                ? WhyNot(manifest, backbone)
                : "put the former files back, or train the task again");
    }

    /// <summary>Whether a model's files are others than those that it was loaded from.</summary>
    public bool HasChanged(string name, BackboneDigest loaded) => !IsKnown(name) || _digests[name].Digest != loaded;

    /// <summary>Deletes what was replaced, or puts it back if nothing took its place.</summary>
    private void EndReplacement(string folder)
    {
        var name = Path.GetFileName(folder)[Replaced.Length..];
        if (Has(name))
        {
            _files.TryDelete(folder);
            return;
        }

        try
        {
            _files.MoveFolder(folder, Path.Combine(_root, name));
        }
        catch (Exception exception) when (DiskFailure.Is(exception))
        {
            // It stays for a start that may write.
        }
    }

    private bool Has(string name, string digest) =>
        _digests[name].Digest is var known
        && (string.Equals(known.Value, digest, StringComparison.OrdinalIgnoreCase)
            || (string.Equals(known.Weights, digest, StringComparison.OrdinalIgnoreCase) && IsMeantByWeights(known)));

    private bool IsKnown(string name) =>
        _digests.TryGetValue(name, out var known) && Find(name) is { } folder && known.Files == FolderLook.Of(folder);

    private bool TryReadDigest(string name)
    {
        try
        {
            ReadDigest(name);
            return true;
        }
        catch (ModelFileException)
        {
            return false; // It can't be a backbone; loading it says why.
        }
    }

    private void ReadDigest(string name)
    {
        var look = Look(name);
        NoteDigest(name, look, ModelKinds.Open(Folder(name)).ReadDigest());
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
