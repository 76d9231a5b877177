using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Jobs.Records;
using Serving.Jobs.Workers;
using Serving.Storage;

namespace Serving.Jobs;

/// <summary>Makes a job's result a model or a task version of this server, without a restart.</summary>
public sealed class JobPublisher(TaskCatalog catalog, IBlobStore tasks, ModelStore models)
{
    /// <returns>The task's version, empty if there is none, and what did not come of it, empty if all did.</returns>
    /// <exception cref="Exception">It can't be published.</exception>
    public async Task<(string Version, string Message)> PublishAsync(
        Publication publish, RecipeFacts recipe, WorkerDone result)
    {
        if (publish.Model.Length > 0 && result.Model is not null)
        {
            models.Add(publish.Model, result.Model);
            await catalog.LoadModelAsync(publish.Model);
        }

        if (publish.Task.Length == 0 || result.TaskVersion is null)
            return ("", "");
        var version = Path.GetFileName(result.TaskVersion);
        var alias = publish.Alias.Length > 0 ? publish.Alias : null;
        var firstAlias = publish.NoAlias ? null : TaskAliases.DefaultAlias;
        var moved = alias ?? (catalog.IsFirst(publish.Task, version) ? firstAlias : null);
        var gate = moved is null ? "" : Gate(moved, publish, recipe, result);
        using var upload = new VersionUpload(tasks.Begin(), publish.Task, version, long.MaxValue);
        await upload.AppendFolderAsync(result.TaskVersion, CancellationToken.None);
        upload.Finish();
        if (gate.Length > 0)
            (alias, firstAlias) = (null, null);
        await catalog.CommitAsync(upload, version, alias, firstAlias);
        return (version, gate);
    }

    /// <returns>Why the alias does not move; empty if it does.</returns>
    private string Gate(string alias, Publication publish, RecipeFacts recipe, WorkerDone result)
    {
        if (recipe.Judged is not { } judged)
            return "";
        var (name, metric) = (judged.Word, result.Metrics.GetValueOrDefault(judged.Metric));
        if (publish.MinMetric is { } least && metric < least)
            return Refusal($"the {name} is {metric:F4}, below {least:F4}.");
        if (!publish.NotBelowCurrent)
            return "";
        var aliases = catalog.Table.Tasks.GetValueOrDefault(publish.Task)?.Aliases.Aliases;
        var current = aliases?.GetValueOrDefault(alias)?.Version;
        if (current != recipe.Incumbent)
        {
            return Refusal(
                $"it was pointed at another version meanwhile, {current ?? "none"}, which was not compared with.");
        }

        return recipe.Incumbent is not null && result.Metrics[recipe.IncumbentMetric] is var was && metric < was
            ? Refusal($"the {name} is {metric:F4}, below the {was:F4} of the current version.")
            : "";

        string Refusal(FormattableString why) =>
            $"The alias '{alias}' was not moved: {FormattableString.Invariant(why)}";
    }
}
