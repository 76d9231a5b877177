using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Server.Configuration;
using Serving.Storage;
using Serving.Text.Bert;

namespace Serving.Server.Services;

/// <summary>serving.v1.Models.</summary>
internal sealed class ModelsService(TaskCatalog catalog, ModelStore models, ServerOptions options)
    : V1.Models.ModelsBase
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
            MaxTaskFileBytes = options.MaxTaskFileBytes
        });
}
