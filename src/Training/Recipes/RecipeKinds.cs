namespace Serving.Training.Recipes;

/// <summary>All recipes there are.</summary>
public static class RecipeKinds
{
    public static IReadOnlyList<RecipeKind> All { get; } =
    [
        RecipeKind.Of<ClassifierRecipe>(),
        RecipeKind.Of<PretrainingRecipe>(),
        RecipeKind.Of<LanguageModelRecipe>(),
        RecipeKind.Of<EvaluationRecipe>(),
        RecipeKind.Of<TextEvaluationRecipe>(),
        RecipeKind.Of<MaskSimilarityRecipe>(),
        RecipeKind.Of<MemoryRecipe>(),
        RecipeKind.Of<ConnectivityRecipe>(),
        RecipeKind.Of<ProjectionRecipe>(),
        RecipeKind.Of<SweepRecipe>(),
        RecipeKind.Of<ExposureBiasRecipe>(),
        RecipeKind.Of<VaeRecipe>(),
        RecipeKind.Of<PruningRecipe>(),
        RecipeKind.Of<TaskPruningRecipe>(),
        RecipeKind.Of<HeadPruningRecipe>()
    ];
}
