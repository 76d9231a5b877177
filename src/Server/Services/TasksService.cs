using Google.Protobuf;
using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Models;
using Serving.Models.Versions;
using Serving.Server.Configuration;
using Serving.Server.Requests;
using Serving.Storage;

namespace Serving.Server.Services;

/// <summary>serving.v1.Tasks.</summary>
internal sealed class TasksService(TaskCatalog catalog, IBlobStore blobs, ServerOptions options) : V1.Tasks.TasksBase
{
    private const int DefaultPageSize = 100;
    private const int LargestPageSize = 1000;
    private const int MostCompared = 16;
    private const int ChunkBytes = 256 * 1024;

    public override Task<V1.ListTasksResponse> ListTasks(V1.ListTasksRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > LargestPageSize)
            throw Errors.InvalidArgument(
                "page_size", $"{request.PageSize} is out of range; 0 to {LargestPageSize} is needed.");
        var size = request.PageSize == 0 ? DefaultPageSize : request.PageSize;
        var table = catalog.Table;

        // The token is the last name of the page before: tasks that come or go in between shift nothing.
        var rest = table.Tasks.Values.Where(task => string.CompareOrdinal(task.Name, request.PageToken) > 0)
            .Take(size + 1).ToList();
        return Task.FromResult(new V1.ListTasksResponse
        {
            Tasks = { rest.Take(size).Select(task => Messages.Task(task, table)) },
            NextPageToken = rest.Count > size ? rest[size - 1].Name : ""
        });
    }

    public override Task<V1.Task> GetTask(V1.GetTaskRequest request, ServerCallContext context)
    {
        var table = catalog.Table;
        return Task.FromResult(Messages.Task(table.Desired.Task(ResourceName.Require("task", request.Task)), table));
    }

    public override async Task<V1.ImportTaskResponse> ImportTask(
        IAsyncStreamReader<V1.ImportTaskRequest> requestStream, ServerCallContext context)
    {
        if (!await requestStream.MoveNext(context.CancellationToken) || requestStream.Current.Header is not { } header)
            throw Errors.InvalidArgument("header", "It is missing; the first message names the task.");
        var task = ResourceName.Require("header.task", header.Task);
        var alias = header.Alias.Length == 0 ? null : ResourceName.Require("header.alias", header.Alias);
        if (alias is not null && header.NoAlias)
            throw Errors.InvalidArgument(
                "header.no_alias", "There is an alias to point at the version; leave out one.");
        var expected = header.ExpectedVersion.Length == 0
            ? null
            : ResourceName.RequireVersion("header.expected_version", header.ExpectedVersion);
        using var upload = new VersionUpload(blobs.Begin(), task, expected, options.MaxTaskFileBytes);
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            var chunk = requestStream.Current.Chunk
                ?? throw Errors.InvalidArgument(
                    "chunk", "A second header came; after the first message all others are chunks.");
            await upload.AppendAsync(chunk.File, chunk.Data.Memory, context.CancellationToken);
        }

        string version;
        try
        {
            version = await Task.Run(upload.Finish);
        }
        catch (ModelFileException exception)
        {
            throw Errors.InvalidArgument(
                "chunk", exception.Message.Replace(upload.Draft.Folder + Path.DirectorySeparatorChar, ""));
        }

        var firstAlias = header.NoAlias ? null : TaskAliases.DefaultAlias;
        return new() { Version = version, Created = await catalog.CommitAsync(upload, version, alias, firstAlias) };
    }

    public override async Task ExportTask(
        V1.ExportTaskRequest request, IServerStreamWriter<V1.ExportTaskResponse> responseStream,
        ServerCallContext context)
    {
        var selector = (request.Task ?? new()).ToSelector();
        var version = catalog.Table.Desired.Find(selector, "task");
        var folder = await catalog.FolderAsync(selector.Task, version.Version);
        // Mapped: a deletion meanwhile does not disturb it.
        using var pack = VersionFiles.Open(folder, version.Version);
        await responseStream.WriteAsync(new()
        {
            Header = new() { Task = request.Task!.Task, ExpectedVersion = version.Version }
        });
        foreach (var name in (string[])[VersionFiles.ManifestFile, VersionFiles.MaskFile, VersionFiles.HeadFile])
        {
            await using var file = File.OpenRead(Path.Combine(folder, name));
            var buffer = new byte[ChunkBytes];
            for (int read; (read = await file.ReadAsync(buffer, context.CancellationToken)) > 0;)
            {
                var chunk = new V1.FileChunk { File = name, Data = ByteString.CopyFrom(buffer, 0, read) };
                await responseStream.WriteAsync(new() { Chunk = chunk }, context.CancellationToken);
            }
        }
    }

    public override async Task<V1.Task> SetAlias(V1.SetAliasRequest request, ServerCallContext context)
    {
        var task = ResourceName.Require("task", request.Task);
        var alias = request.Alias.Length == 0 ? TaskAliases.DefaultAlias : ResourceName.Require("alias", request.Alias);
        var change = Change(request, alias);
        await catalog.SetAliasAsync(task, alias, target =>
        {
            if (request.HasExpectedCurrentVersion && request.ExpectedCurrentVersion != (target?.Version ?? ""))
            {
                throw DomainException.Conflict(
                    $"tasks/{task}",
                    $"The alias '{alias}' of the task '{task}' points at '{target?.Version}', not at "
                    + $"'{request.ExpectedCurrentVersion}'",
                    "read it again");
            }

            return change(target);
        });
        var table = catalog.Table;
        return Messages.Task(table.Desired.Task(task), table);
    }

    public override async Task<V1.LoadTaskResponse> LoadTask(V1.LoadTaskRequest request, ServerCallContext context) =>
        new()
        {
            ResidentBytes = await catalog.LoadTaskAsync(
            ResourceName.Require("task", request.Task), ResourceName.RequireVersion("version", request.Version))
        };

    public override async Task<V1.UnloadTaskResponse> UnloadTask(
        V1.UnloadTaskRequest request, ServerCallContext context) => new()
        {
            FreedBytes = await catalog.UnloadTaskAsync(
            ResourceName.Require("task", request.Task), ResourceName.RequireVersion("version", request.Version))
        };

    public override async Task<V1.DeleteTaskVersionResponse> DeleteTaskVersion(
        V1.DeleteTaskVersionRequest request, ServerCallContext context) => new()
        {
            FreedFileBytes = await catalog.DeleteVersionAsync(
            ResourceName.Require("task", request.Task), ResourceName.RequireVersion("version", request.Version))
        };

    public override async Task<V1.CompareTasksResponse> CompareTasks(
        V1.CompareTasksRequest request, ServerCallContext context)
    {
        if (request.Tasks.Count is < 2 or > MostCompared)
            throw Errors.InvalidArgument(
                "tasks", $"There are {request.Tasks.Count}; 2 to {MostCompared} can be compared.");
        var tasks = catalog.Table.Desired;
        var versions = request.Tasks.Select((task, i) => tasks.Find(task.ToSelector(), $"tasks[{i}]")).ToList();
        if (versions.Select(version => version.Manifest.MaskedWeights).Distinct(StringComparer.OrdinalIgnoreCase)
            .Count() > 1)
            throw Errors.InvalidArgument("tasks", "They are for several backbones; masks of one can be compared.");
        var compared = new List<(string Folder, string Version)>();
        foreach (var (task, version) in request.Tasks.Zip(versions))
            compared.Add((await catalog.FolderAsync(task.Task, version.Version), version.Version));
        return await Task.Run(
            () => MaskComparison.Compare(compared, context.CancellationToken), context.CancellationToken);
    }

    /// <summary>What a request asks to make of an alias.</summary>
    private static Func<AliasTarget?, AliasTarget?> Change(V1.SetAliasRequest request, string alias)
    {
        AliasTarget Existing(AliasTarget? target) => target
            ?? throw DomainException.NotFound("alias", alias, [], owner: $"task '{request.Task}'");
        switch (request.ChangeCase)
        {
            case V1.SetAliasRequest.ChangeOneofCase.Version:
                var version = ResourceName.RequireVersion("version", request.Version);
                return target => target?.Promote(version) ?? AliasTarget.To(version);
            case V1.SetAliasRequest.ChangeOneofCase.Rollback when request.Rollback:
                return target => Existing(target).Previous.IsEmpty
                    ? throw DomainException.FailedPrecondition(
                        $"tasks/{request.Task}",
                        $"The alias '{alias}' of the task '{request.Task}' has no version before this one")
                    : target!.RollBack();
            case V1.SetAliasRequest.ChangeOneofCase.Canary:
                if (request.Canary.Share is not (>= 0 and <= 1))
                    throw Errors.InvalidArgument(
                        "canary.share", $"{request.Canary.Share} is out of range; 0 to 1 is needed.");
                var canary = request.Canary.Share == 0
                    ? null
                    : new CanaryTarget(
                        ResourceName.RequireVersion("canary.version", request.Canary.Version), request.Canary.Share);
                return target => Existing(target) with { Canary = canary };
            case V1.SetAliasRequest.ChangeOneofCase.ShadowVersion:
                var shadow = request.ShadowVersion.Length == 0
                    ? null
                    : ResourceName.RequireVersion("shadow_version", request.ShadowVersion);
                return target => Existing(target) with { Shadow = shadow };
            case V1.SetAliasRequest.ChangeOneofCase.Remove when request.Remove:
                return target =>
                {
                    Existing(target);
                    return null;
                };
            default:
                throw Errors.InvalidArgument(
                    "change", "Nothing is to be changed; a version, rollback, canary, shadow or remove is needed.");
        }
    }
}
