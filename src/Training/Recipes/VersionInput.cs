namespace Serving.Training.Recipes;

/// <summary>A task version that a recipe reads.</summary>
/// <param name="Task">Its name.</param>
/// <param name="Version">64 hexadecimal digits.</param>
/// <param name="Model">The backbone that it is for, by name.</param>
public sealed record VersionInput(string Task, string Version, string Model);
