using Google.Protobuf;
using Grpc.Core;
using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Jobs;
using Serving.Jobs.Records;
using Serving.Jobs.Store;
using Serving.Models;
using Serving.Server.Datasets;
using Serving.Server.Jobs;
using Serving.Storage;
using Serving.Training.Recipes;
using Serving.Training.Settings;

namespace Serving.Server.Services;

/// <summary>serving.v1.Jobs.</summary>
internal sealed class JobsService(
    IJobRepository jobs, JobRunner runner, IJobRecipes recipes, ModelStore models, DatasetStore datasets,
    TaskRouter router, JobDevices devices, IHostApplicationLifetime lifetime) : V1.Jobs.JobsBase
{
    private const int DefaultPageSize = 100;
    private const int LargestPageSize = 1000;
    private const int ChunkBytes = 1 << 18;

    public override Task<V1.DescribeRecipesResponse> DescribeRecipes(
        V1.DescribeRecipesRequest request, ServerCallContext context) => Task.FromResult(RecipeDescriptions.All);

    public override async Task<V1.Job> SubmitJob(V1.SubmitJobRequest request, ServerCallContext context)
    {
        var spec = request.Spec ?? throw Errors.InvalidArgument("spec", "It is missing; it says what is to be done.");
        var recipe = RecipeMessages.Recipe(spec, router.Table);
        foreach (var name in recipe.Models)
            models.Require(name);
        foreach (var name in recipe.DatasetNames)
            datasets.Require(name);
        ThrowUnlessPublishable(spec.Publish, recipe);
        devices.Place(spec);
        RecipeInputs located;
        try
        {
            located = await recipes.LocateAsync(TrainingRecipes.Describe(recipe), pinned: null);
            await Task.Run(
                () =>
                {
                    var inputs = new LocatedInputs(located);
                    recipe.Validate(inputs);
                    recipe = recipe.For(inputs);
                },
                context.CancellationToken);
            RecipeMessages.SetAutomatic(spec, recipe);
            devices.Estimate(spec, located);
        }
        catch (SettingException exception)
        {
            throw Errors.InvalidArgument(RecipeMessages.Field(spec, exception.Setting), exception.Reason);
        }
        catch (ArgumentException exception)
        {
            throw Errors.InvalidArgument("spec", exception.Message);
        }
        catch (ModelFileException exception)
        {
            throw Errors.FailedPrecondition("models", exception.Message);
        }

        var job = await jobs.CreateAsync(JobMessages.Json(spec), recipe.ToJson(), located.Digests);
        runner.Wake();
        return await MessageAsync(job);
    }

    public override Task<V1.Job> GetJob(V1.GetJobRequest request, ServerCallContext context) =>
        MessageAsync(request.Id);

    public override async Task<V1.ListJobsResponse> ListJobs(V1.ListJobsRequest request, ServerCallContext context)
    {
        if (request.PageSize is < 0 or > LargestPageSize)
            throw Errors.InvalidArgument(
                "page_size", $"{request.PageSize} is out of range; 0 to {LargestPageSize} is needed.");
        var size = request.PageSize == 0 ? DefaultPageSize : request.PageSize;

        // The token is the last id of the page before: jobs that come meanwhile are newer and shift nothing.
        var rest = await jobs.ListAsync(request.PageToken, size + 1);
        return new()
        {
            Jobs = { await Task.WhenAll(rest.Take(size).Select(MessageAsync)) },
            NextPageToken = rest.Count > size ? rest[size - 1].Id : ""
        };
    }

    public override async Task WatchJob(
        V1.WatchJobRequest request, IServerStreamWriter<V1.JobEvent> responseStream, ServerCallContext context)
    {
        var count = await jobs.CountEventsAsync(request.Id);
        if (request.Cursor < 0 || request.Cursor > count)
            throw Errors.InvalidArgument(
                "cursor", $"{request.Cursor} is out of range; 0 to {count}, the job's last event, is needed.");
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(
            context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            await foreach (var happened in jobs.WatchAsync(request.Id, request.Cursor, ends.Token))
                await responseStream.WriteAsync(JobMessages.Message(happened), context.CancellationToken);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw Errors.Unavailable("The server is stopping; watch again from the last event, when it is back.");
        }
    }

    public override async Task<V1.Job> CancelJob(V1.CancelJobRequest request, ServerCallContext context)
    {
        await runner.CancelAsync(request.Id);
        return await MessageAsync(request.Id);
    }

    public override async Task<V1.Job> ResumeJob(V1.ResumeJobRequest request, ServerCallContext context)
    {
        await runner.ResumeAsync(request.Id);
        return await MessageAsync(request.Id);
    }

    public override async Task<V1.DeleteJobResponse> DeleteJob(
        V1.DeleteJobRequest request, ServerCallContext context)
    {
        await runner.DeleteAsync(request.Id);
        return new();
    }

    public override async Task DownloadArtifact(
        V1.DownloadArtifactRequest request, IServerStreamWriter<V1.DownloadArtifactResponse> responseStream,
        ServerCallContext context)
    {
        var artifacts = (await jobs.GetAsync(request.Id)).Artifacts.Select(artifact => artifact.Name).ToList();
        if (!artifacts.Contains(request.Name, StringComparer.Ordinal))
            throw Errors.NotFound("artifact", request.Name, artifacts, owner: $"job '{request.Id}'");
        await using var file = File.OpenRead(JobArtifacts.PathOf(jobs.Folder(request.Id), request.Name));
        var buffer = new byte[ChunkBytes];
        for (int read; (read = await file.ReadAsync(buffer, context.CancellationToken)) > 0;)
            await responseStream.WriteAsync(
                new() { Data = ByteString.CopyFrom(buffer, 0, read) }, context.CancellationToken);
    }

    private async Task<V1.Job> MessageAsync(string id) => await MessageAsync(await jobs.GetAsync(id));

    private async Task<V1.Job> MessageAsync(JobRecord job) =>
        JobMessages.Message(job, await jobs.CountEventsAsync(job.Id));

    private void ThrowUnlessPublishable(V1.Publish? publish, Recipe recipe)
    {
        if (publish is null)
            return;
        var makesModel = recipe.Outputs.HasFlag(RecipeOutputs.Model);
        if (publish.Task.Length > 0)
        {
            ResourceName.Require("spec.publish.task", publish.Task);
            if (!recipe.Outputs.HasFlag(RecipeOutputs.TaskVersion))
                throw Errors.InvalidArgument(
                    "spec.publish.task", "No task version comes of this recipe; leave it out.");
            if (makesModel && publish.Model.Length == 0)
                throw Errors.InvalidArgument(
                    "spec.publish.model", "Training all weights makes a model, which the task needs; name it.");
        }

        if (publish.Alias.Length > 0)
        {
            ResourceName.Require("spec.publish.alias", publish.Alias);
            if (publish.Task.Length == 0)
                throw Errors.InvalidArgument("spec.publish.alias", "An alias is of a task; name the task, too.");
            if (publish.NoAlias)
                throw Errors.InvalidArgument(
                    "spec.publish.no_alias", "There is an alias to point at the version; leave out one.");
        }

        if (publish.NotBelowCurrent && (publish.Alias.Length == 0 || recipe is not IComparableRecipe))
            throw Errors.InvalidArgument(
                "spec.publish.not_below_current",
                "It compares with the version that an alias points at; name the alias, or leave it out.");
        if (publish.Model.Length == 0)
            return;
        ResourceName.Require("spec.publish.model", publish.Model);
        if (!makesModel)
            throw Errors.InvalidArgument("spec.publish.model", "No model comes of this recipe; leave it out.");
        if (models.Names.Contains(publish.Model, StringComparer.Ordinal))
            throw Errors.AlreadyExists(
                "model", publish.Model, $"There is a model '{publish.Model}' already; choose another name.");
    }
}
