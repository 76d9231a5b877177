using Serving.Jobs.Records;
using Serving.Storage;

namespace Serving.Jobs;

/// <summary>What there is to know of recipes, which are JSON to everybody but those who train.</summary>
public interface IJobRecipes
{
    /// <param name="recipe">JSON, of this release or one before.</param>
    RecipeFacts Describe(string recipe);

    /// <summary>Where what a recipe reads lies on this machine.</summary>
    /// <param name="pinned">What it must be, as far as that is known; null for whatever has the names.</param>
    /// <exception cref="DomainException">Something is not there, or another.</exception>
    /// <exception cref="Models.ModelFileException">A model is not there.</exception>
    Task<RecipeInputs> LocateAsync(RecipeFacts recipe, InputDigests? pinned);
}

/// <summary>What a recipe reads, by name, and what its result is compared with.</summary>
/// <param name="Tasks">Task versions, with the models that they are for.</param>
/// <param name="Incumbent">The version that the result is compared with; null for none.</param>
/// <param name="IncumbentMetric">The name of its metric among the result's.</param>
/// <param name="Judged">What the result is judged by; null if it is not judged.</param>
public sealed record RecipeFacts(
    IReadOnlyList<string> Models,
    IReadOnlyList<string> Datasets,
    IReadOnlyList<(string Task, string Version, string Model)> Tasks,
    string? Incumbent,
    string IncumbentMetric,
    JudgedMetric? Judged);

/// <summary>The metric by which a result is judged; more is better.</summary>
/// <param name="Metric">Its name among the result's.</param>
/// <param name="Word">What people call it.</param>
public sealed record JudgedMetric(string Metric, string Word);

/// <summary>Folders on this machine.</summary>
/// <param name="Models">By name.</param>
/// <param name="Datasets">By name.</param>
/// <param name="Tasks">By <see cref="Workers.WorkOrder.TaskKey"/>.</param>
public sealed record RecipeInputs(
    IReadOnlyDictionary<string, string> Models,
    IReadOnlyDictionary<string, string> Datasets,
    IReadOnlyDictionary<string, string> Tasks)
{
    /// <summary>The contents of models and datasets.</summary>
    public InputDigests Digests { get; init; } = new();
}
