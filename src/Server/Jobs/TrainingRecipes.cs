using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Jobs;
using Serving.Jobs.Records;
using Serving.Jobs.Workers;
using Serving.Server.Datasets;
using Serving.Storage;
using Serving.Training.Data;
using Serving.Training.Recipes;

namespace Serving.Server.Jobs;

/// <summary>The recipes of Training, and where this server has what they read.</summary>
internal sealed class TrainingRecipes(
    TaskCatalog catalog, ModelStore models, ModelContents contents, DatasetStore datasets) : IJobRecipes
{
    private const int ShownDigits = 12;

    public RecipeFacts Describe(string recipe) => Describe(Recipe.Parse(recipe));

    public static RecipeFacts Describe(Recipe recipe) => new(
        [.. recipe.Models.Concat(recipe.TaskVersions.Select(task => task.Model)).Distinct(StringComparer.Ordinal)],
        [.. recipe.DatasetNames.Distinct(StringComparer.Ordinal)],
        [.. recipe.TaskVersions.Select(task => (task.Task, task.Version, task.Model)).Distinct()],
        (recipe as IComparableRecipe)?.Incumbent?.Version,
        IComparableRecipe.IncumbentMetric,
        recipe.Metric is { } metric ? new(metric.Name, metric.Word) : null);

    public async Task<RecipeInputs> LocateAsync(RecipeFacts recipe, InputDigests? pinned)
    {
        var tasks = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (task, version, model) in recipe.Tasks)
        {
            var stored = catalog.Table.Desired.Version(task, version);
            await Task.Run(() => models.ThrowUnlessFor(model, task, stored.Manifest));
            tasks.Add(WorkOrder.TaskKey(task, version), await catalog.FolderAsync(task, version));
        }

        var digests = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var name in recipe.Models)
        {
            var digest = await contents.DigestAsync(name);
            digests.Add(name, digest);
            if (pinned?.Models.GetValueOrDefault(name) is { } needed && needed != digest)
                throw Another("model", name, digest, needed);
        }

        var found = recipe.Datasets.ToDictionary(
            name => name, name => Dataset(name, pinned?.Datasets.GetValueOrDefault(name)), StringComparer.Ordinal);
        return new(
            recipe.Models.ToDictionary(name => name, models.Folder, StringComparer.Ordinal),
            found.ToDictionary(pair => pair.Key, pair => datasets.Folder(pair.Value), StringComparer.Ordinal),
            tasks)
        {
            Digests = new()
            {
                Models = digests,
                Datasets = found.ToDictionary(
                    pair => pair.Key, pair => pair.Value.Digest, StringComparer.Ordinal)
            }
        };
    }

    private DatasetManifest Dataset(string name, string? needed)
    {
        var dataset = datasets.Require(name);
        return needed is null || dataset.Digest == needed
            ? dataset
            : throw Another("dataset", name, dataset.Digest, needed);
    }

    private static DomainException Another(string resource, string name, string found, string needed) =>
        DomainException.FailedPrecondition(
            $"{resource}s/{name}",
            $"The {resource} '{name}' is another than the one that the job was submitted for: its digest is "
            + found[..ShownDigits],
            $"{needed[..ShownDigits]} is needed",
            "bring the former one back, or submit a new job");
}

/// <summary>What was located, as recipes ask for it.</summary>
internal sealed class LocatedInputs(RecipeInputs inputs) : IRecipeInputs
{
    public string ModelFolder(string name) => inputs.Models[name];

    public string DatasetFolder(string name) => inputs.Datasets[name];

    public string TaskFolder(VersionInput task) => inputs.Tasks[WorkOrder.TaskKey(task.Task, task.Version)];
}
