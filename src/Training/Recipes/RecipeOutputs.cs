namespace Serving.Training.Recipes;

/// <summary>What comes out of a recipe.</summary>
[Flags]
public enum RecipeOutputs
{
    None = 0,

    /// <summary>Tables and plots.</summary>
    Report = 1,

    /// <summary>A version of a task.</summary>
    TaskVersion = 2,

    /// <summary>A model.</summary>
    Model = 4
}

/// <summary>What a recipe's result is judged by; more is better.</summary>
/// <param name="Name">Among <see cref="RecipeResult.Metrics"/>.</param>
/// <param name="Word">What people call it.</param>
public sealed record RecipeMetric(string Name, string Word);

/// <summary>A recipe whose result can be compared with a task version, on the same data.</summary>
public interface IComparableRecipe
{
    /// <summary>The name, among <see cref="RecipeResult.Metrics"/>, of the incumbent's metric.</summary>
    const string IncumbentMetric = "current";

    /// <summary>What a <see cref="Settings.SettingException"/> calls it if it can't be compared with.</summary>
    const string IncumbentSetting = "incumbent";

    /// <summary>What it is compared with; null for nothing.</summary>
    VersionInput? Incumbent { get; }

    /// <returns>The recipe, with something to compare with.</returns>
    Recipe With(VersionInput incumbent);
}
