using System.Text.Json;
using Serving.Training.Recipes;

namespace Serving.Training.Tests.Recipes;

/// <summary>Recipes that former releases stored, with the tasks that the product ships.</summary>
public sealed class StoredRecipeTests
{
    [Fact]
    public void Lineage_OfShippedTasks_IsReadWithoutLoss()
    {
        var files = Directory.GetFiles(
            Path.Combine(Root(), "models", "demo", "tasks"), "task.json", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        foreach (var file in files)
        {
            using var task = JsonDocument.Parse(File.ReadAllText(file));
            var stored = task.RootElement.GetProperty("lineage").GetProperty("settings");
            using var again = JsonDocument.Parse(Recipe.Parse(stored.GetRawText()).ToJson());
            Assert.True(JsonElement.DeepEquals(stored, again.RootElement), $"{file}: {again.RootElement}");
        }
    }

    /// <summary>Its checkpoints were made with the rows that it held out.</summary>
    [Fact]
    public void StoredRecipe_ThatDoesNotSayHowToSplit_SplitsAsItsReleaseDid()
    {
        const string stored =
            """{"recipe":"classifier","model":"m","dataset":"d","settings":{"method":"mask"},"max_tokens":16}""";
        var recipe = (ClassifierRecipe)Recipe.Parse(stored);
        Assert.Equal((ValidationSplit.ByText, 16), (recipe.Split, recipe.MaxTokens));
        Assert.Equal(ValidationSplit.ByText, ((ClassifierRecipe)Recipe.Parse(recipe.ToJson())).Split);
        var now = new ClassifierRecipe { Model = "m", Dataset = "d", Settings = recipe.Settings };
        Assert.Equal(ValidationSplit.Stratified, ((ClassifierRecipe)Recipe.Parse(now.ToJson())).Split);
        var sweep = (SweepRecipe)Recipe.Parse(new SweepRecipe { Base = now }.ToJson());
        Assert.Equal(ValidationSplit.Stratified, sweep.Base.Split);
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Serving.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
