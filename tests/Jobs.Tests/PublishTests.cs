using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Inference.Scheduling;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Jobs.Workers;
using Serving.Models.Versions;
using Serving.Storage;
using Serving.Tensors.Cpu;
using Serving.Testing;
using Serving.Testing.DiskFailures;
using Serving.Testing.PowerCut;

namespace Serving.Jobs.Tests;

/// <summary>What becomes of a result, also if power goes while it is published.</summary>
public sealed class PublishTests : IDisposable
{
    private static readonly RecipeFacts Recipe =
        new([], [], [], Incumbent: null, "current", new("accuracy", "accuracy"));

    private readonly DataFolder _data = new();
    private readonly CpuBackend _backend = new(threads: 1);
    private readonly LanePool _lanes;
    private FileTaskRepository? _repository;

    public PublishTests() => _lanes = new(_backend, TimeProvider.System);

    public void Dispose()
    {
        _lanes.Dispose();
        _backend.Dispose();
        _data.Dispose();
    }

    [Fact]
    public async Task Result_WhenPowerGoes_IsPublishedAsAWhole_OrThePublicationIsRepeated()
    {
        var version = _data.WriteVersion(seed: 1);
        var power = new RecordingFileSystem(_data.Path, _data.At("before"));
        var jobs = Jobs(_data.Path, power);
        await jobs.CreateAsync(JsonSerializer.Deserialize<JsonElement>("{}"), "{}");
        var lease = (await jobs.TakeNextAsync())!;
        using (var catalog = await StartAsync(_data.Path, power))
        {
            var (published, _) = await Publisher(catalog, _data.Path, power).PublishAsync(
                new() { Task = "t", Alias = "production" }, Recipe, Done(version));
            await jobs.EndAsync(lease, JobState.Succeeded, "", job => job with { TaskVersion = published });
        }

        _repository!.Dispose();
        var states = new HashSet<JobState>();
        power.Replay(_data.At("cut"), isDone =>
        {
            var job = Jobs(_data.At("cut"), DiskFileSystem.Instance).ListAsync("", 1).GetAwaiter().GetResult();
            var tasks = Read(_data.At("cut"));
            if (job is [{ State: JobState.Succeeded }])
            {
                Assert.Equal(job[0].TaskVersion, tasks.Aliases.Aliases["production"].Version);
                states.Add(JobState.Succeeded);
            }
            else
            {
                Assert.False(isDone); // It goes on from its last checkpoint, to the same result.
                states.Add(JobState.Running);
            }

            foreach (var stored in tasks.Versions.Keys)
                VersionFiles.Open(_data.At(Path.Combine("cut", "tasks", "t", stored)), stored).Dispose();
        });
        Assert.Equal([JobState.Running, JobState.Succeeded], states.Order());
    }

    [Fact]
    public async Task Publication_ThatIsRepeated_ChangesNothing()
    {
        var version = _data.WriteVersion(seed: 1);
        using var catalog = await StartAsync(_data.Path, DiskFileSystem.Instance);
        var publisher = Publisher(catalog, _data.Path, DiskFileSystem.Instance);
        var publish = new Publication { Task = "t", Alias = "production" };
        var first = await publisher.PublishAsync(publish, Recipe, Done(version));
        var revision = catalog.Table.Tasks["t"].Aliases.Revision;
        Assert.Equal(first, await publisher.PublishAsync(publish, Recipe, Done(version)));
        Assert.Equal(revision, catalog.Table.Tasks["t"].Aliases.Revision);
        var host = Assert.IsType<EncoderHost>(catalog.Table.Models.Values.Single());
        Assert.True(host.Engine.IsLoaded("t", first.Version));
        _repository!.Dispose();
    }

    /// <summary>A model is there before the task over it; each as a whole, and once more is enough.</summary>
    [Theory]
    [InlineData(Refusal.Room)]
    [InlineData(Refusal.Access)]
    public async Task Result_WhateverIsRefused_IsPublishedOnceTheDiskIsMended(Refusal refusal)
    {
        var version = _data.AddModel("made", seed: 1);
        var model = _data.At("result");
        Directory.Move(Path.Combine(_data.Path, "models", "made"), model);
        var publish = new Publication { Task = "t", Alias = "production", Model = "made" };
        var ends = new HashSet<string>();
        for (var (allowed, isDone) = (0, false); !isDone; allowed++)
        {
            foreach (var folder in new[] { "tasks", "models/made" }.Select(name => Path.Combine(_data.Path, name)))
            {
                if (Directory.Exists(folder))
                    Directory.Delete(folder, recursive: true);
            }

            var disk = new FailingFileSystem(refusal, allowed) { IsMended = true };
            using (var catalog = await StartAsync(_data.Path, disk))
            {
                disk.IsMended = false;
                var refused = await Record.ExceptionAsync(() => PublishAsync(catalog, disk));
                Assert.True(refused is null or DomainException || DiskFailure.Is(refused), refused?.ToString());
                isDone = !disk.HasRefused;
                Assert.False(isDone && refused is not null);
                ends.Add(string.Join(' ', catalog.Table.Models.Keys.Concat(
                    catalog.Table.Tasks.Values.SelectMany(task => task.Aliases.Aliases.Keys))));
            }

            _repository!.Dispose();
            using (var catalog = await StartAsync(_data.Path, DiskFileSystem.Instance))
            {
                var (published, message) = await PublishAsync(catalog, DiskFileSystem.Instance);
                Assert.Equal((Path.GetFileName(version), ""), (published, message));
                Assert.Equal(published, catalog.Table.Tasks["t"].Aliases.Aliases["production"].Version);
                var host = Assert.IsType<EncoderHost>(catalog.Table.Models["made"]);
                Assert.True(host.Engine.IsLoaded("t", published));
            }

            _repository!.Dispose();
        }

        Assert.Equal(["made small", "made small production", "small"], ends.Order(StringComparer.Ordinal));

        Task<(string Version, string Message)> PublishAsync(TaskCatalog catalog, IFileSystem files) =>
            Publisher(catalog, _data.Path, files).PublishAsync(
                publish, Recipe, new(new Dictionary<string, double> { ["accuracy"] = 1 }, version, model));
    }

    private static WorkerDone Done(string version) =>
        new(new Dictionary<string, double> { ["accuracy"] = 1 }, version, Model: null);

    private static FileJobRepository Jobs(string data, IFileSystem files) => new(
        Path.Combine(data, "jobs"), long.MaxValue, files, TimeProvider.System,
        NullLogger<FileJobRepository>.Instance);

    private static JobPublisher Publisher(TaskCatalog catalog, string data, IFileSystem files) =>
        new(catalog, new FolderBlobStore(Path.Combine(data, "tasks"), files), Models(data, files));

    private static ModelStore Models(string data, IFileSystem files) =>
        new(Path.Combine(data, "models"), chosen: null, files);

    private async Task<TaskCatalog> StartAsync(string data, IFileSystem files)
    {
        var tasks = Path.Combine(data, "tasks");
        _repository = new(tasks, files, NullLogger<FileTaskRepository>.Instance);
        var catalog = new TaskCatalog(
            _repository,
            new FolderBlobStore(tasks, files),
            Models(data, files),
            new ModelHostOptions { MaxBatchTokens = 64, MaxQueuedRequests = 8, MaxQueuedTokens = 512 },
            new ModelDevices(new ModelDevice("cpu", _lanes, new("cpu", bytes: null))),
            TimeProvider.System,
            NullLogger<TaskCatalog>.Instance);
        await catalog.StartAsync(CancellationToken.None);
        return catalog;
    }

    private static StoredTask Read(string data)
    {
        using var repository = new FileTaskRepository(
            Path.Combine(data, "tasks"), DiskFileSystem.Instance, NullLogger<FileTaskRepository>.Instance);
        return repository.ReadAsync("t", known: null).GetAwaiter().GetResult();
    }
}
