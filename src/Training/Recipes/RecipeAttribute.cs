namespace Serving.Training.Recipes;

/// <summary>Declares a class to be a recipe, and how people ask for it.</summary>
/// <param name="name">Of its message in the specification of a job, and in what is stored: "mask_similarity".</param>
/// <param name="command">The verbs of the command line: "train mask".</param>
/// <param name="help">What it does: a sentence.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true)]
public sealed class RecipeAttribute(string name, string command, string help) : Attribute
{
    public string Name { get; } = name;

    public string Command { get; } = command;

    public string Help { get; } = help;

    /// <summary>A setting that the command gives: "method". Null for none.</summary>
    public string? Setting { get; init; }

    /// <summary>Its value.</summary>
    public object? Value { get; init; }
}
