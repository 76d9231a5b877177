using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Resident;
using Serving.Catalog.Stored;
using Serving.Hub;
using Serving.Models;
using Serving.Server.Configuration;
using Serving.Storage;
using Serving.Text.Bert;

namespace Serving.Server.Services;

/// <summary>serving.v1.Models.</summary>
internal sealed class ModelsService(
    TaskCatalog catalog, ModelStore models, ModelPuller puller, IHostApplicationLifetime lifetime,
    ServerOptions options) : V1.Models.ModelsBase
{
    public override Task<V1.ListModelsResponse> ListModels(V1.ListModelsRequest request, ServerCallContext context)
    {
        var loaded = catalog.Table.Models;
        var names = models.Names.Union(loaded.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal);
        return Task.FromResult(new V1.ListModelsResponse
        {
            Models = { names.Select(name => Messages.Model(name, loaded.GetValueOrDefault(name), models)) }
        });
    }

    public override Task<V1.Model> GetModel(V1.GetModelRequest request, ServerCallContext context)
    {
        var name = ResourceName.Require("model", request.Model);
        var host = catalog.Table.Models.GetValueOrDefault(name);
        if (host is null)
            models.Require(name);
        return Task.FromResult(Messages.Model(name, host, models));
    }

    public override async Task<V1.Model> LoadModel(V1.LoadModelRequest request, ServerCallContext context)
    {
        var name = ResourceName.Require("model", request.Model);
        return Messages.Model(name, await catalog.LoadModelAsync(name), models);
    }

    public override async Task<V1.UnloadModelResponse> UnloadModel(
        V1.UnloadModelRequest request, ServerCallContext context) => new()
        {
            FreedBytes = await catalog.UnloadModelAsync(ResourceName.Require("model", request.Model), request.Force)
        };

    public override async Task PullModel(
        V1.PullModelRequest request, IServerStreamWriter<V1.PullModelResponse> responseStream,
        ServerCallContext context)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(
            context.CancellationToken, lifetime.ApplicationStopping);
        var progress = new PullMessages();
        var pulling = progress.UntilAsync(puller.PullAsync(PullMessages.Request(request), progress, ends.Token));
        try
        {
            await foreach (var happened in progress.ReadAllAsync())
                await responseStream.WriteAsync(new() { Progress = happened }, ends.Token);
            var result = await pulling;
            var model = Messages.Model(result.Name, catalog.Table.Models.GetValueOrDefault(result.Name), models);
            await responseStream.WriteAsync(new() { Pulled = PullMessages.Pulled(result, model) }, ends.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw Errors.Unavailable("The server is stopping; what is downloaded stays: pull again when it is back.");
        }
        finally
        {
            await ends.CancelAsync();
            // It has let go of its folder when the call is over.
            await ((Task)pulling).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public override async Task<V1.ImportModelResponse> ImportModel(
        IAsyncStreamReader<V1.ImportModelRequest> requestStream, ServerCallContext context)
    {
        if (!await requestStream.MoveNext(context.CancellationToken) || requestStream.Current.Header is not { } header)
            throw Errors.InvalidArgument("header", "It is missing; the first message names the model.");
        var name = ResourceName.Require("header.model", header.Model);
        models.ThrowIfTaken(name, header.Replace);
        catalog.Table.ThrowIfLoaded(name, "replaced");
        using var upload = models.BeginUpload(options.MaxModelBytes);
        while (await requestStream.MoveNext(context.CancellationToken))
        {
            var chunk = requestStream.Current.Chunk
                ?? throw Errors.InvalidArgument(
                    "chunk", "A second header came; after the first message all others are chunks.");
            await upload.AppendAsync(chunk.File, chunk.Data.Memory, context.CancellationToken);
        }

        var folder = await FinishAsync(upload, context.CancellationToken);
        context.CancellationToken.ThrowIfCancellationRequested();
        await catalog.ChangeFolderAsync(name, () => models.Place(name, folder, header.Replace));
        var host = header.NoLoad ? null : await TryLoadAsync(name);
        return new() { Model = Messages.Model(name, host, models) };
    }

    public override async Task<V1.DeleteModelResponse> DeleteModel(
        V1.DeleteModelRequest request, ServerCallContext context) => new()
        {
            FreedFileBytes = await catalog.DeleteModelAsync(
                ResourceName.Require("model", request.Model), request.Force)
        };

    public override Task<V1.Limits> GetLimits(V1.GetLimitsRequest request, ServerCallContext context) =>
        Task.FromResult(new V1.Limits
        {
            MaxMessageBytes = options.MaxReceiveMessageBytes,
            MaxInputs = options.MaxInputs,
            MaxTasks = options.MaxTasks,
            MaxTextLength = BertTokenizer.MaxTextLength,
            MaxBatchTokens = options.MaxBatchTokens,
            MaxQueuedRequests = options.MaxQueuedRequests,
            MaxQueuedTokens = options.MaxQueuedTokens,
            MaxStreamInputsInFlight = options.MaxStreamInputsInFlight,
            MaxTaskFileBytes = options.MaxTaskFileBytes,
            MaxSequences = options.MaxSequences,
            MaxCachedTokens = options.MaxCachedTokens
        });

    private static async Task<string> FinishAsync(ModelUpload upload, CancellationToken cancelled)
    {
        try
        {
            return await Task.Run(upload.Finish, cancelled);
        }
        catch (ModelFileException exception)
        {
            throw Errors.InvalidArgument("chunk", exception.Message);
        }
    }

    /// <summary>A model that was stored is not lost because it can't be loaded; why not is noted.</summary>
    private async Task<ModelHost?> TryLoadAsync(string name)
    {
        try
        {
            return await catalog.LoadModelAsync(name);
        }
        catch (DomainException)
        {
            return null;
        }
    }
}
