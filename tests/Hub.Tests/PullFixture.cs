using Microsoft.Extensions.Logging.Abstractions;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Hub.HuggingFace;
using Serving.Hub.Sources;
using Serving.Inference.Scheduling;
using Serving.Storage;
using Serving.Tensors.Cpu;
using Serving.Testing;

namespace Serving.Hub.Tests;

/// <summary>A data root without models, and a hub that has one.</summary>
internal sealed class PullFixture : IAsyncDisposable, IProgress<PullProgress>
{
    public const string Id = "owner/tiny-bert";
    public static readonly string Golden = Path.Combine(AppContext.BaseDirectory, "golden", "bert");

    private readonly DataFolder _data = new(isEmpty: true);
    private readonly CpuBackend _backend = new(threads: 1);
    private readonly LanePool _lanes;
    private readonly List<HubSource> _sources = [];
    private readonly List<IDisposable> _opened = [];
    private IBlobStore _blobs = null!;

    private PullFixture(LoopbackHub hub)
    {
        Hub = hub;
        _lanes = new(_backend, TimeProvider.System);
        Options = new() { Endpoint = hub.Address };
        Time = new(Options.Patience);
        Commit = hub.Add(Id, Golden);
        Open();
    }

    public LoopbackHub Hub { get; }

    public HubOptions Options { get; set; }

    public RetryTime Time { get; }

    public string Commit { get; }

    public TaskCatalog Catalog { get; private set; } = null!;

    /// <summary>The tasks that come with the product; none at first.</summary>
    public string Shipped => _data.At("shipped");

    public ModelStore Models { get; private set; } = null!;

    public List<PullProgress> Reported { get; } = [];

    public string Root => Path.Combine(_data.Path, "models");

    public static async Task<PullFixture> StartAsync() => new(await LoopbackHub.StartAsync());

    public static Dictionary<string, byte[]> GoldenFiles() => Directory.GetFiles(Golden).ToDictionary(
        path => Path.GetFileName(path), File.ReadAllBytes, StringComparer.Ordinal);

    public string At(string name) => _data.At(name);

    /// <summary>The data root as a server finds it at its start.</summary>
    public void Open(IFileSystem? files = null)
    {
        files ??= DiskFileSystem.Instance;
        Models = new(Root, chosen: null, files);
        var tasks = Path.Combine(_data.Path, "tasks");
        _blobs = new FolderBlobStore(tasks, files);
        _opened.ForEach(one => one.Dispose());
        _opened.Clear();
        var repository = new FileTaskRepository(tasks, files, NullLogger<FileTaskRepository>.Instance);
        Catalog = new(
            repository,
            _blobs,
            Models,
            new() { MaxBatchTokens = 64, MaxQueuedRequests = 8, MaxQueuedTokens = 512 },
            new ModelDevices(new ModelDevice("cpu", _lanes, new("cpu", bytes: null))),
            TimeProvider.System,
            NullLogger<TaskCatalog>.Instance);
        _opened.AddRange([Catalog, repository]);
    }

    public Task<PullResult> PullAsync(
        string source = Id, Func<PullRequest, PullRequest>? with = null, IFileSystem? files = null,
        IModelSource? from = null, CancellationToken cancellationToken = default)
    {
        var request = new PullRequest(source) { Load = false };
        return Puller(files, from).PullAsync(with?.Invoke(request) ?? request, this, cancellationToken);
    }

    public ModelPuller Puller(IFileSystem? files = null, IModelSource? from = null)
    {
        if (from is null)
        {
            _sources.Add(new(Options, Time));
            from = _sources[^1];
        }

        return new([from], Models, Catalog, new(Shipped, Catalog, _blobs), files ?? DiskFileSystem.Instance);
    }

    /// <summary>Ships a version over the model that the hub has.</summary>
    /// <returns>The version.</returns>
    public string Ship(string task, int seed, bool overOtherModel = false)
    {
        using var model = new DataFolder();
        var folder = overOtherModel ? model.AddModel("other", seed) : model.WriteVersion(seed);
        var version = Path.GetFileName(folder);
        var target = Directory.CreateDirectory(Path.Combine(Shipped, task, version)).FullName;
        foreach (var file in Directory.GetFiles(folder))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        return version;
    }

    /// <summary>What is in the folder of models, hidden ones too.</summary>
    public IEnumerable<string> Folders() =>
        Directory.GetDirectories(Root).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal);

    public void Report(PullProgress value) => Reported.Add(value);

    public async ValueTask DisposeAsync()
    {
        _opened.ForEach(one => one.Dispose());
        _sources.ForEach(source => source.Dispose());
        _lanes.Dispose();
        _backend.Dispose();
        await Hub.DisposeAsync();
        _data.Dispose();
    }
}
