using System.Text.Json;
using System.Text.Json.Serialization;
using Serving.Tensors;

namespace Serving.Training.Recipes;

/// <summary>What a training job does, as it is stored.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "recipe")]
[JsonDerivedType(typeof(ClassifierRecipe), "classifier")]
[JsonDerivedType(typeof(PretrainingRecipe), "pretraining")]
public abstract record Recipe
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false) }
    };

    /// <exception cref="JsonException">It is no recipe.</exception>
    public static Recipe Parse(string json) => JsonSerializer.Deserialize<Recipe>(json, Json)!;

    public string ToJson() => JsonSerializer.Serialize(this, Json) + "\n";

    /// <summary>The settings by name, for lineage.</summary>
    public IReadOnlyDictionary<string, JsonElement> ToDictionary() =>
        JsonSerializer.Deserialize<Dictionary<string, JsonElement>>(ToJson())!;

    /// <summary>Runs to the end, from the last checkpoint if there is one.</summary>
    /// <exception cref="ArgumentException">The recipe asks for something that can't be; nothing was trained.</exception>
    public abstract RecipeResult Run(RecipeContext context);
}

/// <summary>Where a recipe runs.</summary>
public sealed record RecipeContext
{
    /// <summary>The job's name, for lineage.</summary>
    public required string Job { get; init; }

    /// <summary>The job's folder: checkpoints/ and artifacts/ are in it.</summary>
    public required string Folder { get; init; }

    /// <summary>Where a model's folder is, by its name.</summary>
    public required Func<string, string> ModelFolder { get; init; }

    /// <summary>Where a dataset's folder is, by its name.</summary>
    public required Func<string, string> DatasetFolder { get; init; }

    public required TrainingBackend Backend { get; init; }

    public required ITrainingObserver Observer { get; init; }

    public CancellationToken CancellationToken { get; init; }

    internal string Checkpoints => Path.Combine(Folder, "checkpoints");

    /// <summary>A folder for results, empty: what an interrupted attempt left is removed.</summary>
    internal string NewArtifact(string name)
    {
        var path = Path.Combine(Folder, "artifacts", name);
        if (Directory.Exists(path))
            Directory.Delete(path, recursive: true);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }
}

/// <summary>What came out.</summary>
/// <param name="Metrics">Of the best state, on held-out data.</param>
/// <param name="TaskVersion">The folder of a task version, below the job's; null if there is none.</param>
/// <param name="Model">The folder of a model, below the job's; null if there is none.</param>
public sealed record RecipeResult(IReadOnlyDictionary<string, double> Metrics, string? TaskVersion, string? Model);
