using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Serving.Training.Settings;

namespace Serving.Training.Recipes;

/// <summary>How recipes and their reports are stored: JSON in snake case.</summary>
/// <param name="kinds">The recipes that it knows.</param>
public sealed class RecipeJson(IReadOnlyList<RecipeKind> kinds)
{
    private static readonly string[] Unstored =
        [SettingNames.Of(nameof(Recipe.Outputs)), SettingNames.Of(nameof(Recipe.Metric))];

    private readonly JsonSerializerOptions _options = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) },
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { info => AddKinds(info, kinds) } }
    };

    /// <summary>Of all recipes.</summary>
    public static RecipeJson Default { get; } = new(RecipeKinds.All);

    /// <exception cref="JsonException">It is no recipe.</exception>
    public Recipe Parse(string json) => JsonSerializer.Deserialize<Recipe>(json, _options)!;

    public string Serialize<T>(T value) => JsonSerializer.Serialize(value, _options) + "\n";

    /// <summary>A recipe begins with the name of its kind. What it says of itself is not stored.</summary>
    private static void AddKinds(JsonTypeInfo info, IReadOnlyList<RecipeKind> kinds)
    {
        for (var i = info.Properties.Count - 1; i >= 0 && typeof(Recipe).IsAssignableFrom(info.Type); i--)
        {
            if (Unstored.Contains(info.Properties[i].Name))
                info.Properties.RemoveAt(i);
        }

        if (info.Type != typeof(Recipe))
            return;
        info.PolymorphismOptions = new() { TypeDiscriminatorPropertyName = "recipe" };
        foreach (var kind in kinds)
            info.PolymorphismOptions.DerivedTypes.Add(new(kind.Type, kind.Name));
    }
}
