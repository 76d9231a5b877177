using Serving.Catalog;
using Serving.Catalog.Stored;
using Serving.Jobs;
using Serving.Jobs.Workers;
using Serving.Server.Datasets;
using Serving.Training.Recipes;

namespace Serving.Server.Jobs;

/// <summary>The recipes of Training, and where this server has what they read.</summary>
internal sealed class TrainingRecipes(TaskCatalog catalog, ModelStore models, DatasetStore datasets) : IJobRecipes
{
    public RecipeFacts Describe(string recipe) => Describe(Recipe.Parse(recipe));

    public static RecipeFacts Describe(Recipe recipe) => new(
        [.. recipe.Models.Concat(recipe.TaskVersions.Select(task => task.Model)).Distinct(StringComparer.Ordinal)],
        [.. recipe.DatasetNames.Distinct(StringComparer.Ordinal)],
        [.. recipe.TaskVersions.Select(task => (task.Task, task.Version)).Distinct()],
        (recipe as IComparableRecipe)?.Incumbent?.Version,
        IComparableRecipe.IncumbentMetric,
        recipe.Metric is { } metric ? new(metric.Name, metric.Word) : null);

    public async Task<RecipeInputs> LocateAsync(RecipeFacts recipe)
    {
        var tasks = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (task, version) in recipe.Tasks)
        {
            _ = catalog.Table.Desired.Version(task, version);
            tasks.Add(WorkOrder.TaskKey(task, version), await catalog.FolderAsync(task, version));
        }

        return new(
            recipe.Models.ToDictionary(name => name, models.Folder, StringComparer.Ordinal),
            recipe.Datasets.ToDictionary(
                name => name, name => datasets.Folder(datasets.Require(name)), StringComparer.Ordinal),
            tasks);
    }
}

/// <summary>What was located, as recipes ask for it.</summary>
internal sealed class LocatedInputs(RecipeInputs inputs) : IRecipeInputs
{
    public string ModelFolder(string name) => inputs.Models[name];

    public string DatasetFolder(string name) => inputs.Datasets[name];

    public string TaskFolder(VersionInput task) => inputs.Tasks[WorkOrder.TaskKey(task.Task, task.Version)];
}
