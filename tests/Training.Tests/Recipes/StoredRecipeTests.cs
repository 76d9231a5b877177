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

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Serving.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
